/** Files that somebody picked for a model, and the folder that they stand in. */
export interface Picked {
  files: readonly File[];
  folder: string; // its name; empty where the files were picked by themselves
}

/** What was dropped, which is files and folders with files. It fails with a sentence where a folder can't be a model. */
export function droppedIn(transfer: DataTransfer): Promise<Picked> {
  // The browser tells of them only while the event lasts.
  const items = [...transfer.items].map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  return gathered(items);
}

async function gathered(items: readonly { entry: FileSystemEntry | null; file: File | null }[]): Promise<Picked> {
  const files: File[] = [];
  let folder = '';
  for (const { entry, file } of items) {
    if (entry !== null && isFolder(entry)) {
      files.push(...(await filesIn(entry)));
      folder = entry.name;
    } else if (file !== null) files.push(file);
  }
  return { files, folder };
}

/** The files of a folder that was chosen in a field, which has what is in its folders as well. It fails as droppedIn does. */
export function chosenIn(all: readonly File[]): Picked {
  let folder = '';
  const files: File[] = [];
  for (const file of all) {
    const [top = '', ...below] = file.webkitRelativePath.split('/');
    folder = top;
    if (below.some(isHidden)) continue;
    const [inner = '', deeper] = below;
    if (deeper !== undefined) throw refusal(folder, inner);
    files.push(file);
  }
  return notEmpty(files, folder);
}

async function filesIn(folder: FileSystemDirectoryEntry): Promise<readonly File[]> {
  const files: File[] = [];
  for (const entry of await entriesOf(folder)) {
    if (!isFolder(entry)) files.push(await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)));
    else if ((await entriesOf(entry)).length > 0) throw refusal(folder.name, entry.name);
  }
  return notEmpty(files, folder.name).files;
}

/** What is in a folder and not hidden. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all; // it tells of a hundred at a time
    all.push(...some.filter(({ name }) => !isHidden(name)));
  }
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

function isHidden(name: string): boolean {
  return name.startsWith('.');
}

function notEmpty(files: readonly File[], folder: string): Picked {
  if (files.length === 0) throw new Error(`The folder ${folder} has no files.`);
  return { files, folder };
}

// A model that lacks some of its files would be another one.
function refusal(folder: string, inner: string): Error {
  return new Error(`${folder} has files in its folder ${inner}, and a model’s files stand in no folders. Choose the files that are meant.`);
}
