const overrides = /[\u202A-\u202E\u2066-\u2069]/g;

/**
 * Writes out the characters that turn the direction of what follows them: with
 * them a text can read otherwise than it runs once it is copied.
 */
export function withVisibleBidi(text: string): string {
  return text.replace(overrides, (mark) => `[U+${mark.charCodeAt(0).toString(16).toUpperCase()}]`);
}
