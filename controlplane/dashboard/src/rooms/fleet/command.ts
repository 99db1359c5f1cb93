/** Whether an address is this machine's own. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

/**
 * The command with which a host joins the control plane at an address. Without
 * TLS an agent talks to its own machine alone, and the control plane has TLS on
 * the same port: so beyond that the command asks for it.
 */
export function joinCommand(server: URL, token: string | undefined, name: string): string {
  const plain = server.protocol === 'http:';
  const address = plain && !isLoopback(server.hostname) ? `https://${server.hostname}:${server.port || '80'}` : server.origin;
  const words = ['corral-agent run', `--server ${address}`, `--token ${token ?? '<TOKEN>'}`];
  if (name !== '') words.push(`--name ${quoted(name)}`);
  return words.join(' ');
}

/** A word as a shell takes it, whatever is in it. */
function quoted(word: string): string {
  return /^[\w.-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
