import { defined, type RawSearch, text } from '../../app/search';

/** Which model is talked to, and which conversation is open. */
export function chatSearch(raw: RawSearch) {
  return defined({ model: text(raw['model']), chat: text(raw['chat']) });
}
