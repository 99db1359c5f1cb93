
/**
 * Order is what somebody wants.
 *
 * It may be empty.
 */
export interface Order {
  version: number;
  parent: OrderLine | null;
  id: string; // of this shop
  /**
   * Note is from the customer,
   * if there is one.
   */
  note: string | null;
  paid?: boolean;
  "-": number;
  Untagged: number;
  A: number;
  B: number;
  at: string;
  until?: string;
  raw: unknown;
  hash: string;
  items: OrderLine[];
  states?: State[];
  maybe: string[][];
  labels: Record<string, number | null>;
  total: Amount;
  currency: Currency;
  any: unknown;
  inner: {
    "odd-name": boolean;
    none: Record<string, never>[];
  };
}

/** OrderLine is a line of an order * / and nothing else. */
export interface OrderLine {
  name: string;
}

/** State is how far an order is. */
export type State = "open" | "closed";

/** Amount is an amount of money. */
export interface Amount {
  cents: number;
}

/** Currency has no constants here. */
export type Currency = string;
