/** Names a step that takes back something already done. */
export type Undo = (step: () => void) => void;

/**
 * Runs `body`; if it throws, the steps that it named run in reverse order and the error goes on. For commands that
 * are all or nothing and cannot know beforehand whether a later step will be refused.
 */
export function allOrNothing<T>(body: (undo: Undo) => T): T {
  const steps: (() => void)[] = [];
  try {
    return body((step) => steps.push(step));
  } catch (error) {
    for (const step of steps.toReversed()) step();
    throw error;
  }
}
