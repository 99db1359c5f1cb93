// What a key is, as CheckKey of the SDK's package storage says it.
import { invalid } from './errors.js';

const MAX_KEY = 1024;
const MAX_SEGMENT = 255;
const control = /\p{Cc}/u;

/** checkKey throws what is wrong with a key. */
export function checkKey(key) {
  const segments = key.split('/');
  if (Buffer.byteLength(key) > MAX_KEY || control.test(key)) throw invalid('the key is too long, or has a control character');
  for (const segment of segments) {
    if (segment === '' || segment === '.' || segment === '..' || Buffer.byteLength(segment) > MAX_SEGMENT) {
      throw invalid(`the key ${JSON.stringify(key)} has a segment ${JSON.stringify(segment)}`);
    }
  }
  if (segments[0] === '.corral') throw invalid('keys that begin with .corral are reserved');
  return key;
}

/** checkPrefix throws what is wrong with what keys may begin with. */
export function checkPrefix(prefix) {
  // What comes behind it is up to the keys: the last segment may be any beginning.
  const last = prefix.slice(prefix.lastIndexOf('/') + 1);
  if (prefix !== '') checkKey(last === '' || last === '.' || last === '..' || prefix === '.corral' ? `${prefix}x` : prefix);
  return prefix;
}
