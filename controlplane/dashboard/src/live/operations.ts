import type { ModelProgress, Operation } from '../api/types.gen';

/** Operations with what was told of the steps of one model. What is new among them is asked for by whoever shows it. */
export function withProgress(operations: readonly Operation[], { operations: steps }: ModelProgress): Operation[] {
  const told = new Map(steps.map((step) => [step.operation_id, step]));
  return operations.map((operation) => {
    const step = told.get(operation.id);
    if (step === undefined) return operation;
    // The bytes themselves come with the list; until then they are as many as the share says.
    const done_bytes = Math.max(operation.done_bytes, Math.floor((operation.total_bytes * step.progress) / 100));
    const now: Operation = { ...operation, state: step.state, progress: step.progress, done_bytes };
    delete now.reason;
    delete now.phase;
    delete now.error;
    if (step.state !== operation.state || step.reason !== operation.reason) delete now.message; // which was of before
    if (step.reason !== undefined) now.reason = step.reason;
    if (step.phase !== undefined) now.phase = step.phase;
    if (step.error !== undefined) now.error = step.error;
    return now;
  });
}
