import { describe, expect, it } from 'vitest';

import { chosenIn, droppedIn } from './picked';

/** A folder by what is in it: folders, and files by their content. */
interface Tree {
  [name: string]: Tree | string;
}

// entryOf is a file or a folder as browsers tell of what is dropped: of a folder two entries at a time here.
function entryOf(name: string, what: Tree | string): object {
  if (typeof what === 'string') return { name, isDirectory: false, file: (take: (file: File) => void) => take(new File([what], name)) };
  const entries = Object.entries(what).map(([inner, has]) => entryOf(inner, has));
  return {
    name,
    isDirectory: true,
    createReader: () => {
      const left = [...entries];
      return { readEntries: (take: (some: object[]) => void) => take(left.splice(0, 2)) };
    },
  };
}

async function drop(tree: Tree) {
  const items = Object.entries(tree).map(([name, what]) => ({
    webkitGetAsEntry: () => entryOf(name, what),
    getAsFile: () => new File([typeof what === 'string' ? what : ''], name),
  }));
  const { files, folder } = await droppedIn({ items } as unknown as DataTransfer);
  return { files: files.map(({ name }) => name), folder };
}

// choose is a tree as a field has it that takes a folder.
function choose(tree: Tree) {
  const walk = (at: string, what: Tree | string): File[] => {
    if (typeof what !== 'string') return Object.entries(what).flatMap(([name, has]) => walk(at === '' ? name : `${at}/${name}`, has));
    const file = new File([what], at.split('/').at(-1) ?? '');
    Object.defineProperty(file, 'webkitRelativePath', { value: at });
    return [file];
  };
  const { files, folder } = chosenIn(walk('', tree));
  return { files: files.map(({ name }) => name), folder };
}

const whole: Tree = {
  'Tiny-1.5B': { 'config.json': '{}', '.gitattributes': '', 'a.safetensors': 'a', 'b.safetensors': 'b', '.cache': { huggingface: { x: '' } } },
};
const files = ['config.json', 'a.safetensors', 'b.safetensors'];
const deep: Tree = { x: { 'a.gguf': 'a', onnx: { 'model.onnx': '' } } };
const refused = 'x has files in its folder onnx, and a model’s files stand in no folders. Choose the files that are meant.';

describe('what is dropped', () => {
  it('is files, and a folder with files, without what is hidden there', async () => {
    expect(await drop(whole)).toEqual({ files, folder: 'Tiny-1.5B' });
    expect(await drop({ '.hidden.gguf': 'a', 'b.gguf': 'b' })).toEqual({ files: ['.hidden.gguf', 'b.gguf'], folder: '' });
    expect(await drop({ x: { 'a.gguf': 'a', empty: {}, onlyHidden: { '.x': '' } } })).toEqual({ files: ['a.gguf'], folder: 'x' });
  });

  it('is refused where files would be left out, and where there are none', async () => {
    await expect(drop(deep)).rejects.toThrow(refused);
    await expect(drop({ x: { '.git': { config: '' } } })).rejects.toThrow('The folder x has no files.');
  });
});

describe('a folder that is chosen', () => {
  it('is the files in it that are not hidden', () => {
    expect(choose(whole)).toEqual({ files, folder: 'Tiny-1.5B' });
    expect(choose({ '.hidden': { 'a.gguf': 'a' } })).toEqual({ files: ['a.gguf'], folder: '.hidden' });
  });

  it('is refused as one that is dropped', () => {
    expect(() => choose(deep)).toThrow(refused);
    expect(() => choose({ x: { '.git': { config: '' } } })).toThrow('The folder x has no files.');
  });
});
