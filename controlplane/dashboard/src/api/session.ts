import { queryOptions } from '@tanstack/react-query';

import { call } from './client';
import type { Session } from './types.gen';

export type Role = Session['role'];

const ranks: Record<Role, number> = { viewer: 0, inference: 1, operator: 2, admin: 3 };

/** Whether a role may do what asks for another: each includes all before it. */
export function may(role: Role, needed: Role): boolean {
  return ranks[role] >= ranks[needed];
}

/** Who is signed in. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: ({ signal }) => call<Session>('/api/session', { signal }),
  staleTime: Infinity,
  retry: false,
});

/** Signs in with a key, or with the secret of a one-time link. */
export function login(proof: { key: string } | { link: string }): Promise<Session> {
  return call<Session>('/api/login', { method: 'POST', body: proof });
}

/** Signs out; somebody who is signed out already may do so again. */
export async function logout(): Promise<void> {
  await call('/api/logout', { method: 'POST', body: {} });
}
