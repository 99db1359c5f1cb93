import { cleanup, render } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';

import { Markdown } from './Markdown';

afterEach(cleanup);

function shown(text: string): HTMLElement {
  return render(<Markdown text={text} />).container;
}

describe('an answer in Markdown', () => {
  it('becomes elements', () => {
    const page = shown('# T\n\n**b** ~~d~~ `c`\n\n1. x\n\n| a |\n|---|\n| b |\n\n- [x] done');
    for (const element of ['h3', 'strong', 'del', 'code', 'ol > li', 'table td', '[role="img"][aria-label="done"]']) {
      expect(page.querySelector(element), element).not.toBeNull();
    }
  });

  it('leads to the web and to mail in a page of its own', () => {
    const links = [...shown('[a](https://example.com/x) [b](http://example.com) <mailto:a@example.com> https://example.org').querySelectorAll('a')];
    expect(links.map((link) => link.href)).toEqual(['https://example.com/x', 'http://example.com/', 'mailto:a@example.com', 'https://example.org/']);
    for (const link of links) expect([link.rel, link.target]).toEqual(['noopener noreferrer', '_blank']);
  });

  it('names the language of code, and shows code that has no end yet', () => {
    const page = shown('before\n\n```go\nfunc main() {\n\n\t<b>');
    expect(page.querySelector('figcaption')?.textContent).toContain('go');
    expect(page.querySelector('pre')?.textContent).toBe('func main() {\n\n\t<b>');
    expect(page.querySelector('b')).toBeNull();
  });

  it('grows without making anew what is complete', () => {
    const { container, rerender } = render(<Markdown text={'first\n\nsec'} />);
    const first = container.querySelector('p');
    rerender(<Markdown text={'first\n\nsecond\n\nthird'} />);
    expect(container.querySelector('p')).toBe(first);
    expect([...container.querySelectorAll('p')].map((p) => p.textContent)).toEqual(['first', 'second', 'third']);
  });
});

describe('a hostile answer', () => {
  it.each([
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    'text <a href="javascript:alert(1)" onclick="alert(1)">here</a>',
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    '<style>body{display:none}</style>',
    '> - <svg onload=alert(1)>\n>   <math><mtext></math>',
    '<details open ontoggle=alert(1)>\n\n**x**\n\n</details>',
    '| <img src=x onerror=alert(1)> |\n|---|\n| <script>1</script> |',
  ])('is text where it is HTML: %s', (text) => {
    const page = shown(text);
    expect(page.querySelector('script, img, iframe, style, svg, math, details, a')).toBeNull();
    for (const element of page.querySelectorAll('*')) {
      expect([...element.attributes].filter(({ name }) => name.startsWith('on'))).toEqual([]);
    }
    expect(page.textContent).toMatch(/<(script|img|a|iframe|style|svg|details)/);
  });

  it.each([
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'java&#x09;script:alert(1)',
    '&#106;avascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:https://example.com/x',
    '//example.com',
    '/api/logout',
    '#content',
    'ftp://example.com',
  ])('does not lead to %s', (address) => {
    const page = shown(`[click](<${address}>) and [ref]\n\n[ref]: <${address}>`);
    expect(page.querySelector('a')).toBeNull();
    expect(page.textContent).toContain('click');
  });

  it('has the browser load nothing', () => {
    const page = shown('![seen](https://evil.example/p.png "t") ![](https://evil.example/q.png) ![x](data:image/png;base64,AA)');
    expect(page.querySelector('img, picture, video, audio, source, link, object, embed')).toBeNull();
    expect([...page.querySelectorAll('a')].map((link) => [link.textContent, link.href])).toEqual([
      ['Image: seen', 'https://evil.example/p.png'],
      ['Image', 'https://evil.example/q.png'],
    ]);
    expect(page.textContent).toContain('Image: x');
  });

  it('has what turns the direction of text written out, however it was written', () => {
    const page = shown('a \u202Eevil\u202C &#x202E;b `c\u2066` ![\u202Ed](https://e.example "\u2067")\n\n```\n\u202Ecode\n```\n\n<b \u202E>');
    expect(page.innerHTML).not.toMatch(/[\u202A-\u202E\u2066-\u2069]/);
    expect(page.textContent.match(/\[U\+202E\]/g)?.length).toBe(5);
  });

  it('of 10,000 items is shown whole', () => {
    const page = shown(Array.from({ length: 10_000 }, (_, i) => `- item ${i}`).join('\n'));
    expect(page.querySelectorAll('li').length).toBe(10_000);
  }, 60_000);

  it.each([
    ['quotes', `${'>'.repeat(5000)} deep`],
    ['emphasis', `${'*_'.repeat(5000)}a${'_*'.repeat(5000)}`],
    ['lists', Array.from({ length: 80 }, (_, i) => `${' '.repeat(2 * i)}- x`).join('\n')],
    ['links', '[a]('.repeat(4000)],
    ['fences', '```\n'.repeat(999)],
  ])('of %s within each other is shown, and never deeper than a browser bears', (_, text) => {
    const page = shown(text);
    expect(page.textContent.length).toBeGreaterThan(0);
    let depth = 0;
    for (let at = page.querySelector('p, li, pre'); at !== null; at = at.querySelector('blockquote, em, strong, ul')) depth++;
    expect(depth).toBeLessThan(60);
  }, 60_000);

  it.each([
    ['quotes', `${'>'.repeat(5000)} deep`],
    ['emphasis', `${'*_'.repeat(5000)}a`],
  ])('whose %s would take too long to pair is bare text', (_, text) => {
    const page = shown(text);
    expect(page.querySelector('blockquote, em, strong')).toBeNull();
    expect(page.textContent.replaceAll('\n', '')).toBe(text); // it was cut within its line
  });
});
