/**
 * State that can be written down and taken back. `State` is plain data: numbers, bigints, strings, booleans, byte
 * arrays, and arrays and records of these; never an object with behaviour.
 */
export interface Snapshottable<State> {
  /** A copy of the state, independent of later changes. */
  save(): State;
  /** Takes back what `save` gave; the object is afterwards as it was then. */
  restore(state: State): void;
}
