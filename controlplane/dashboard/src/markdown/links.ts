const schemes = ['http:', 'https:', 'mailto:'];

/**
 * The address that a link of an answer may lead to, or an empty text: elsewhere
 * in the web and by mail, and never to a page of ours or to a script.
 */
export function safeAddress(address: string): string {
  try {
    const url = new URL(address);
    return schemes.includes(url.protocol) ? url.href : '';
  } catch {
    return ''; // relative, or none at all
  }
}
