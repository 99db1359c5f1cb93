import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, expect, it } from 'vitest';

import { type Asked, aHost, closePage, openPage } from '../../fleet/testPage';

afterEach(closePage);

function send(): void {
  const form = document.querySelector('dialog form');
  if (form) fireEvent.submit(form);
}

it('imports what a storage has, quantised, onto hosts, and says what is missing', async () => {
  let imported: unknown;
  await openPage('/models', {
    hosts: [aHost('a')],
    answers: {
      'GET /api/models': [],
      'GET /api/operations': [],
      'GET /api/storage': [{ name: 'default', address: 'file:///models/' }, { name: 'cloud', address: 's3://models/' }],
      'POST /api/models': ({ body }: Asked) => {
        imported = body;
        return { name: 'tiny:q8' };
      },
    },
  });
  fireEvent.click(await screen.findByRole('button', { name: 'Import from a storage' }));
  const dialog = within(screen.getByRole('dialog', { name: 'Import a model' }));
  await dialog.findByText(/Here it begins with file:\/\/\/models\/ and s3:\/\/models\/\.$/);
  send();
  expect((await dialog.findByRole('alert')).textContent).toBe('Say where its files are.');
  fireEvent.change(dialog.getByLabelText('Where its files are'), { target: { value: 's3://models/tiny.gguf' } });
  fireEvent.change(dialog.getByLabelText('Name'), { target: { value: 'tiny:q8' } });
  fireEvent.change(dialog.getByLabelText('Quantise'), { target: { value: 'q8_0' } });
  fireEvent.click(dialog.getByRole('radio', { name: 'These hosts' }));
  fireEvent.click(dialog.getByRole('checkbox', { name: 'a' }));
  send();
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(imported).toEqual({ source: 's3://models/tiny.gguf', name: 'tiny:q8', description: '', quantize: 'q8_0', hosts: ['h_a'] });
});
