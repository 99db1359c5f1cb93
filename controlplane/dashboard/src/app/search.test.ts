import { describe, expect, it } from 'vitest';

import { fleetSearch } from '../rooms/fleet/search';
import { loginSearch } from '../rooms/login/search';

describe('what strangers write into the address', () => {
  it('leaves out what is no sort of the fleet', () => {
    expect(fleetSearch({ sort: '-cpu', state: 'on fire', q: 7, colour: ['power'] })).toEqual({ sort: '-cpu', q: '7' });
    expect(fleetSearch({ sort: '--cpu' })).toEqual({});
  });

  it.each(['https://example.com', '//example.com', '/\\example.com', 'fleet', ''])('never leads from the login to %s', (to) => {
    expect(loginSearch({ to })).toEqual({});
  });

  it('leads from the login to a page of ours', () => {
    expect(loginSearch({ to: '/chat?model=a', ended: true })).toEqual({ to: '/chat?model=a', ended: true });
  });
});
