import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { load } from '../../schema/generator/load.ts';
import { resolve } from '../../schema/generator/resolve.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** Builds a schema of these files and returns what the generator says. */
function build(files: Record<string, unknown>): string {
  const folder = mkdtempSync(join(tmpdir(), 'viommud-schema-'));
  folders.push(folder);
  for (const [name, content] of Object.entries({ 'setups.json': {}, ...files })) {
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  try {
    resolve(load(folder));
  } catch (error) {
    return (error as Error).message;
  }
  return 'builds';
}

const module = (content: object): string =>
  build({ 'modules.json': { modules: ['demo'] }, 'demo.json': { ...frame, ...content } });
const frame = { module: 'demo', title: 'Demo', description: 'A module.' };

const example = { steps: [{ '->': { execute: 'peek' } }, { '<-': { return: {} } }] };
const peek = { summary: 'Look.', since: '0.1', errors: [], examples: [example] };
const command = (content: object): string => module({ commands: { peek: { ...peek, ...content } } });
const without = (object: object, member: string): object =>
  Object.fromEntries(Object.entries(object).filter(([name]) => name !== member));
const args = (properties: object, more: object = {}): string =>
  command({ arguments: { type: 'object', properties, ...more } });

describe('what does not build', () => {
  it('builds when nothing is wrong', () => {
    expect(command({})).toBe('builds');
    expect(args({ at: { description: 'Where.', type: 'integer', format: 'uint64' } })).toBe('builds');
  });

  it.each(['summary', 'since', 'errors', 'examples'])('a command without %s', (member) => {
    expect(module({ commands: { peek: without(peek, member) } })).toBe(`demo.json: commands/peek: lacks '${member}'`);
  });

  it('a command without an example of itself', () => {
    expect(command({ examples: [] })).toBe('demo.json: commands/peek/examples: needs at least one element');
    expect(command({ examples: [{ steps: [{ '->': { execute: 'poke' } }] }] })).toBe(
      'demo.json: commands/peek/examples/0: does not show what it is an example of',
    );
    expect(command({ examples: [{ ...example, setup: ['nope'] }] })).toBe(
      "demo.json: commands/peek/examples/0/setup: 'nope' is not in setups.json",
    );
  });

  it('an event without an example', () => {
    const event = { summary: 'It happened.', since: '0.1', examples: [] };
    expect(module({ events: { HAPPENED: event } })).toBe(
      'demo.json: events/HAPPENED/examples: needs at least one element',
    );
    expect(module({ events: { HAPPENED: { ...event, examples: [{ message: { event: 'OTHER' } }] } } })).toBe(
      'demo.json: events/HAPPENED/examples/0: does not show what it is an example of',
    );
  });

  it('a summary that is not one sentence', () => {
    const problem = 'demo.json: commands/peek/summary: must match ^[^.]+([.][^. ]+)*[.]$';
    expect(command({ summary: 'Look' })).toBe(problem);
    expect(command({ summary: 'Look. Then look away.' })).toBe(problem);
  });

  it('a member without a description', () => {
    expect(args({ at: { type: 'string' } })).toBe(
      "demo.json: commands/peek/arguments/properties/at: lacks 'description'",
    );
  });

  it('a required member that is not there', () => {
    expect(args({}, { required: ['at'] })).toBe(
      "demo.json: commands/peek/arguments/required: 'at' is not in properties",
    );
  });

  it('an unknown member of the schema itself', () => {
    expect(command({ sumary: 'x' })).toBe("demo.json: commands/peek: 'sumary' is not known here");
    expect(args({ at: { description: 'Where.', type: 'string', maxLength: 3 } })).toBe(
      "demo.json: commands/peek/arguments/properties/at: 'maxLength' is not known here",
    );
  });

  it('an error of a class that QMP does not have', () => {
    expect(command({ errors: [{ class: 'Oops', when: 'Always.' }] })).toBe(
      'demo.json: commands/peek/errors/0/class: must be one of GenericError, CommandNotFound, DeviceNotActive, DeviceNotFound, KVMMissingCap',
    );
  });

  it('a reference that leads nowhere', () => {
    expect(args({ at: { description: 'Where.', $ref: '#/types/Nowhere' } })).toBe(
      "demo.json: commands/peek/arguments/properties/at: $ref '#/types/Nowhere' leads nowhere",
    );
    expect(args({ at: { description: 'Where.', $ref: 'other.json#/types/Any' } })).toBe(
      "demo.json: commands/peek/arguments/properties/at: $ref 'other.json#/types/Any' leads nowhere",
    );
  });

  it('a type in place that ought to have a name, or none at all', () => {
    const place = 'demo.json: commands/peek/arguments/properties/at';
    expect(args({ at: { description: 'Where.', type: 'object', properties: {} } })).toBe(
      `${place}: an object, enum, union or alternate must be a named type: move it to types`,
    );
    expect(args({ at: { description: 'Where.' } })).toBe(`${place}: has no type`);
    expect(args({ at: { description: 'Where.', type: 'array' } })).toBe(`${place}: an array needs items`);
    expect(command({ arguments: { type: 'string' } })).toBe('demo.json: commands/peek/arguments: must be an object');
  });

  it('a value of an enum without a meaning, or a meaning without a value', () => {
    const color = { description: 'A color.', type: 'string', enum: ['red', 'blue'] };
    const colors = (values: object): string => module({ types: { Color: { ...color, values } } });
    expect(colors({ red: 'Red.' })).toBe("demo.json: types/Color/values: the value 'blue' has no description");
    expect(colors({ red: 'Red.', blue: 'Blue.', green: 'Green.' })).toBe(
      "demo.json: types/Color/values: 'green' is not in enum",
    );
  });

  it('a union whose tag is not clear', () => {
    const variant = { description: 'A circle.', properties: { kind: { const: 'circle' } } };
    const union = { description: 'A shape.', type: 'object', discriminator: { propertyName: 'kind' } };
    const shape = (content: object): string => module({ types: { Shape: { ...union, ...content } } });
    expect(shape({ required: ['kind'], oneOf: [variant] })).toBe('builds');
    expect(shape({ oneOf: [variant] })).toBe("demo.json: types/Shape/required: must name the union's tag 'kind'");
    expect(shape({ required: ['kind'], oneOf: [{ description: 'A circle.', properties: {} }] })).toBe(
      "demo.json: types/Shape/oneOf/0: needs a const for the tag 'kind'",
    );
    const twice = { kind: { description: 'The kind.', type: 'string' } };
    expect(shape({ required: ['kind'], properties: twice, oneOf: [variant] })).toBe(
      "demo.json: types/Shape/properties: 'kind' is the tag, which the variants' consts define",
    );
  });

  it('an alternate of anything but an integer and a string', () => {
    const choices = [{ type: 'string' }, { type: 'boolean' }];
    expect(module({ types: { Odd: { description: 'Odd.', oneOf: choices } } })).toBe(
      'demo.json: types/Odd: an alternate is an integer with a format, then a string with a pattern',
    );
  });

  it('the same name twice', () => {
    const second = { ...frame, module: 'second' };
    const two = (content: object): string =>
      build({
        'modules.json': { modules: ['demo', 'second'] },
        'demo.json': { ...frame, ...content },
        'second.json': { ...second, ...content },
      });
    expect(two({ commands: { peek } })).toBe('second.json: commands/peek: another module has this command already');
    const types = { Color: { description: 'A color.', type: 'string', enum: ['red'], values: { red: 'Red.' } } };
    expect(two({ types })).toBe('second.json: types/Color: the type Color is defined in demo.json already');
  });

  it('a file that is not listed, is called otherwise, or is no JSON', () => {
    const modules = { 'modules.json': { modules: ['demo'] } };
    expect(build({ ...modules, 'demo.json': frame, 'more.json': {} })).toBe('more.json: is not listed in modules.json');
    expect(build({ ...modules, 'demo.json': { ...frame, module: 'other' } })).toBe("demo.json: module: must be 'demo'");
    expect(build({ ...modules, 'demo.json': '{' })).toMatch(/^demo\.json: .*JSON/);
  });
});
