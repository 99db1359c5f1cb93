import { expect, it } from 'vitest';

import { joinCommand } from './command';

it.each([
  ['http://127.0.0.1:11435', 'http://127.0.0.1:11435'],
  ['http://localhost:11435', 'http://localhost:11435'],
  ['http://[::1]:11435', 'http://[::1]:11435'],
  ['https://corral.example.com', 'https://corral.example.com'],
  // An agent on another machine refuses to go without TLS.
  ['http://10.0.0.5:11435', 'https://10.0.0.5:11435'],
  ['http://corral.lan', 'https://corral.lan:80'],
])('from a page at %s a host joins %s', (origin, server) =>
  expect(joinCommand(new URL(origin), 'crt_x', '')).toBe(`corral-agent run --server ${server} --token crt_x`),
);

it('has a place for the token, and takes any name', () => {
  const server = new URL('https://a');
  expect(joinCommand(server, undefined, 'gpu-1.lab')).toBe('corral-agent run --server https://a --token <TOKEN> --name gpu-1.lab');
  expect(joinCommand(server, 'crt_x', "it's; rm")).toContain(String.raw`--name 'it'\''s; rm'`);
});
