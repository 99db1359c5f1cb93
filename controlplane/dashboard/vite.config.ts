import react from '@vitejs/plugin-react';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

// The script that sets the theme has to run before the first paint, which a
// module never does. It goes out as a file of its own, since the page's rules
// let no inline script run.
function themeBeforePaint(): Plugin {
  const source = readFileSync(new URL('src/styles/theme-before-paint.js', import.meta.url), 'utf8');
  const name = `assets/theme-${createHash('sha256').update(source).digest('hex').slice(0, 8)}.js`;
  return {
    name: 'theme-before-paint',
    configureServer(server) {
      server.middlewares.use(`/${name}`, (_, answer) => {
        answer.setHeader('Content-Type', 'text/javascript').end(source);
      });
    },
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: name, source });
    },
    transformIndexHtml: () => [{ tag: 'script', attrs: { src: `/${name}` }, injectTo: 'head-prepend' }],
  };
}

export default defineConfig({
  plugins: [react(), themeBeforePaint()],
  build: {
    target: 'es2023',
    assetsInlineLimit: 0, // the page's rules allow nothing inline
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: {
    proxy: {
      '/api': { target: process.env['CORRAL_URL'] ?? 'http://127.0.0.1:11435' },
      '/ws': { target: process.env['CORRAL_URL'] ?? 'http://127.0.0.1:11435', ws: true },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
    restoreMocks: true,
    alias: { 'tus-js-client': 'tus-js-client/lib.es5/browser/index.js' }, // what browsers get of it, and not what Node does
    testTimeout: 20_000, // a busy machine renders slowly, and that is no failure
  },
});
