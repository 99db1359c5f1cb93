/**
 * Gives what the server says within its sentences a capital and a full stop. What begins
 * with a name, such as that of a file, keeps it as it is written.
 */
export function asSentence(message: string): string {
  const word = /^\p{Ll}[\p{L}’']*(?=[\s,;]|$)/u; // a name may have colons, dots and digits
  const text = word.test(message) ? message.charAt(0).toUpperCase() + message.slice(1) : message;
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
