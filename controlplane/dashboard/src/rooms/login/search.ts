import { defined, type RawSearch, text } from '../../app/search';

/** Where to go afterwards, which is a page of ours and never another site's. */
export function loginSearch(raw: RawSearch) {
  const to = text(raw['to']);
  return defined({
    to: to?.startsWith('/') && !/^\/[/\\]/.test(to) ? to : undefined,
    ended: raw['ended'] === true ? true : undefined,
  });
}
