/** A command that cannot be done: what is answered behind `FAIL `. */
export class Refusal extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'Refusal';
  }
}
