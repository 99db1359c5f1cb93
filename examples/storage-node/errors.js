// What goes wrong, as the host understands it: the code of gRPC says the kind, and the
// message is a sentence that a user may see.
import grpc from '@grpc/grpc-js';

export const { status } = grpc;

/** Failure is an error with a code of gRPC. */
export class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
    this.details = message;
  }
}

export const invalid = (message) => new Failure(status.INVALID_ARGUMENT, message);
export const notFound = (message) => new Failure(status.NOT_FOUND, message);
export const conflict = (message) => new Failure(status.ALREADY_EXISTS, message);
export const canceled = (message) => new Failure(status.CANCELLED, message);
export const corrupt = (message) => new Failure(status.DATA_LOSS, message);

const codes = { EACCES: status.PERMISSION_DENIED, EPERM: status.PERMISSION_DENIED, ENOENT: status.NOT_FOUND, EEXIST: status.ALREADY_EXISTS };

/** explained gives an error of the file system a code. */
export function explained(err) {
  if (err instanceof Failure) return err;
  console.error(err.stack ?? err); // the plugin's log
  return new Failure(codes[err.code] ?? status.INTERNAL, `the directory can't be used: ${err.code ?? 'see the log'}`);
}
