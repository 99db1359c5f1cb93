import { withVisibleBidi } from './bidi';

/** What is needed here of a node of Markdown's tree. */
interface Node {
  type: string;
  value?: string;
  alt?: string | null;
  title?: string | null;
  children?: Node[];
}

/** Deeper nesting than this says nothing to people, and can exhaust a browser. */
const depthLimit = 48;

const deepQuote = new RegExp(`^(?:[ \\t]{0,3}>){${depthLimit}}`, 'm');

/** So many marks of emphasis no text needs, and finding their pairs takes the square of their number. */
const marksLimit = 1500;

/** Markdown that is nested too deep to be shown as more than its text. */
export class TooDeep extends Error {
  override readonly name = 'TooDeep';
}

/** Whether parsing a block would take so long that its bare text is to be shown instead. */
export function isTangled(source: string): boolean {
  return source.split(/[*_~]/, marksLimit + 1).length > marksLimit || deepQuote.test(source);
}

/**
 * A plugin of remark: writes out what turns the direction of text, however it
 * was written, and throws TooDeep.
 */
export function guard() {
  return (tree: Node): void => {
    const open: { node: Node; depth: number }[] = [{ node: tree, depth: 0 }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { node, depth } = next;
      if (depth > depthLimit) throw new TooDeep();
      if (node.value !== undefined) node.value = withVisibleBidi(node.value);
      if (node.alt) node.alt = withVisibleBidi(node.alt);
      if (node.title) node.title = withVisibleBidi(node.title);
      for (const child of node.children ?? []) open.push({ node: child, depth: depth + 1 });
    }
  };
}
