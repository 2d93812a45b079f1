import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandError } from '../../src/core/errors.ts';
import { schema } from '../../src/generated/schema.ts';
import type { CommandName } from '../../src/generated/types.ts';
import { validateArguments } from '../../src/qmp/arguments.ts';
import type { WireObject, WireValue } from '../../src/wire/values.ts';
import { WireFloat } from '../../src/wire/values.ts';

function sentence(command: CommandName, args: WireObject | undefined): string {
  try {
    validateArguments(command, args);
  } catch (error) {
    return (error as Error).message;
  }
  return 'valid';
}

const yank = (...instances: WireValue[]): string => sentence('yank', { instances });
const all = (names: string): WireObject => Object.fromEntries(names.split(' ').map((name) => [name, 1]));

// Every expected sentence in these three groups is what QEMU 7.2.22 answered to the same arguments.
describe('sentences of QEMU', () => {
  it.each<[CommandName, WireObject | undefined, string]>([
    ['qom-get', undefined, "Parameter 'path' is missing"],
    ['qom-get', { path: 'x' }, "Parameter 'property' is missing"],
    ['qom-get', { path: 5, property: 'y' }, "Invalid parameter type for 'path', expected: string"],
    ['qom-get', { path: null, property: 'y' }, "Invalid parameter type for 'path', expected: string"],
    ['qom-set', { path: 'x', property: 'y' }, "Parameter 'value' is missing"],
    ['qom-list-types', { abstract: 1 }, "Invalid parameter type for 'abstract', expected: boolean"],
    ['qmp_capabilities', { enable: ['nope'] }, "Parameter 'null' does not accept value 'nope'"],
    ['qmp_capabilities', { enable: 'oob' }, "Invalid parameter type for 'enable', expected: array"],
    ['qmp_capabilities', { enable: [1] }, "Invalid parameter type for 'enable[0]', expected: string"],
    ['object-add', { id: 5 }, "Parameter 'qom-type' is missing"],
    ['object-add', { id: 5, 'qom-type': 'memory-backend-ram' }, "Invalid parameter type for 'id', expected: string"],
    ['object-add', { 'qom-type': 5 }, "Invalid parameter type for 'qom-type', expected: string"],
    ['object-add', { 'qom-type': 'nope', nope: 3 }, "Parameter 'qom-type' does not accept value 'nope'"],
    [
      'human-monitor-command',
      { 'command-line': '', 'cpu-index': 9223372036854775808n },
      "Invalid parameter type for 'cpu-index', expected: integer",
    ],
    [
      'human-monitor-command',
      { 'command-line': '', 'cpu-index': new WireFloat(1) },
      "Invalid parameter type for 'cpu-index', expected: integer",
    ],
  ])('%s %o', (command, args, expected) => {
    expect(sentence(command, args)).toBe(expected);
  });

  it('finds the offence in a union by its tag and names the whole path', () => {
    expect(yank({ type: 'chardev' })).toBe("Parameter 'instances[0].id' is missing");
    expect(yank({ type: 'nope' })).toBe("Parameter 'type' does not accept value 'nope'");
    expect(yank({ typ: 'nope' })).toBe("Parameter 'instances[0].type' is missing");
    expect(yank({ type: 1 })).toBe("Invalid parameter type for 'instances[0].type', expected: string");
    expect(yank(1)).toBe("Invalid parameter type for 'instances[0]', expected: object");
    expect(yank(new WireFloat(1.5))).toBe("Invalid parameter type for 'instances[0]', expected: object");
    expect(yank({ type: 'migration', id: 'a' })).toBe("Parameter 'instances[0].id' is unexpected");
    const good = { type: 'chardev', id: 'a' };
    expect(yank(good, { ...good, z: 1, y: 2 })).toBe("Parameter 'instances[1].z' is unexpected");
    expect(yank({ type: 'chardev', 'node-name': 'a', id: 5 })).toBe(
      "Invalid parameter type for 'instances[0].id', expected: string",
    );
    expect(sentence('yank', { instances: {} })).toBe("Invalid parameter type for 'instances', expected: array");
    expect(sentence('yank', { instances: [good], foo: 1 })).toBe("Parameter 'foo' is unexpected");
  });

  it.each([
    ['foo bar', 'bar'],
    ['aaa bbb ccc ddd', 'bbb'],
    ['one two three four five six seven eight nine ten', 'one'],
    ['ten nine eight', 'ten'],
    ['address size data', 'data'],
    ['x y z a b c', 'z'],
    ['a b c d e f g h i j k l m', 'b'],
    ['m l k j i', 'l'],
    ['device address size format pasid granularity', 'format'],
    ['héé zz', 'héé'],
    ['héé zz ÿ', 'ÿ'],
  ])('names one of several unexpected members: %s', (names, first) => {
    expect(sentence('query-version', all(names))).toBe(`Parameter '${first}' is unexpected`);
  });

  it('looks for leftovers after everything else', () => {
    expect(sentence('qom-get', { aaa: 1 })).toBe("Parameter 'path' is missing");
    expect(sentence('qom-get', { ...all('device iova pasid flags'), path: 'x', property: 'y' })).toBe(
      "Parameter 'flags' is unexpected",
    );
  });
});

describe('addresses', () => {
  const read = (address: WireValue): string => sentence('memory-read', { address, size: 8 });

  it('are integers of 64 bits or hexadecimal text, and reach the handler as bigint', () => {
    const valid = (address: WireValue): bigint => validateArguments('memory-read', { address, size: 8 }).address;
    expect(valid(0)).toBe(0n);
    expect(valid(18446744073709551615n)).toBe(0xffff_ffff_ffff_ffffn);
    expect(valid('0xFFFFffffFFFFffff')).toBe(0xffff_ffff_ffff_ffffn);
    expect(valid('0x0')).toBe(0n);
  });

  it('are refused with a sentence that tells type from value', () => {
    for (const wrong of [true, null, [], {}, new WireFloat(1), new WireFloat(1.8446744073709552e19)]) {
      expect(read(wrong)).toBe("Invalid parameter type for 'address', expected: Address");
    }
    for (const bad of ['zz', '', '10', '0x', '0x10000000000000000', '0X10', ' 0x1', '0x1\n']) {
      expect(read(bad)).toBe(`Parameter 'address' does not accept value '${bad}'`);
    }
    expect(read(-1)).toBe("Parameter 'address' does not accept value '-1'");
  });
});

describe('integers with limits', () => {
  const dma = (pasid: WireValue): string => sentence('dma-read', { device: 'nic0', address: 0, size: 1, pasid });

  it('include both limits', () => {
    expect(dma(0)).toBe('valid');
    expect(dma(0xfffff)).toBe('valid');
    const beyond = "Parameter 'pasid' expects an integer from 0 to 1048575";
    for (const value of [-1, 0x100000, 2n ** 63n]) expect(dma(value)).toBe(beyond);
  });

  it('are neither floats nor text', () => {
    for (const value of [new WireFloat(1), '1', true]) {
      expect(dma(value)).toBe("Invalid parameter type for 'pasid', expected: integer");
    }
  });

  it('stay numbers', () => {
    expect(validateArguments('dma-read', { device: 'nic0', address: '0x1000', size: 1, pasid: 7 })).toEqual({
      device: 'nic0',
      address: 0x1000n,
      size: 1n,
      pasid: 7,
    });
  });
});

describe('arguments of an absurd size are refused in a time that grows with their number', () => {
  // Each of these took a minute and more when every error was looked at by itself.
  const many = 100_000;
  const names = Array.from({ length: many }, (_, index) => [`m${index}`, index] as const);

  it('as members', () => {
    const args = Object.fromEntries(names);
    expect(sentence('query-flat-view', args)).toBe("Parameter 'address-space' is missing");
    expect(sentence('query-name', args)).toBe("Parameter 'm32574' is unexpected");
    const instance = { type: 'migration', ...args };
    expect(yank({ type: 'migration' }, instance, {})).toMatch(/^Parameter 'instances\[1\]\.m\d+' is unexpected$/);
  });

  it('as elements', () => {
    const bad = new Array<WireValue>(many).fill({ type: 1, x: 2 });
    expect(yank(...bad)).toBe("Invalid parameter type for 'instances[0].type', expected: string");
    expect(sentence('qmp_capabilities', { enable: new Array<string>(many).fill('x') })).toBe(
      "Parameter 'null' does not accept value 'x'",
    );
  });
});

describe('values that pass', () => {
  it('gives the arguments of device_add as they came, whatever they are', () => {
    const args = { driver: null, addr: new WireFloat(1.5), x: [1n], nested: { a: {} } };
    expect(validateArguments('device_add', args)).toBe(args);
    expect(validateArguments('device_add', undefined)).toEqual({});
  });

  it('keeps further members of an open object, a member named __proto__ too', () => {
    const args = JSON.parse('{"qom-type":"memory-backend-ram","id":"a","size":4096,"__proto__":5}') as WireObject;
    const valid = validateArguments('object-add', args);
    expect(Object.keys(valid).sort()).toEqual(['__proto__', 'id', 'qom-type', 'size']);
    expect(sentence('query-status', JSON.parse('{"__proto__":5}') as WireObject)).toBe(
      "Parameter '__proto__' is unexpected",
    );
  });

  it('takes any value where the schema says any', () => {
    for (const value of [null, 1, 'x', new WireFloat(0.5), [], {}, 2n ** 64n - 1n]) {
      expect(validateArguments('qom-set', { path: 'a', property: 'b', value }).value).toBe(value);
    }
  });

  it('leaves the request itself unchanged', () => {
    const args: WireObject = { address: '0x10', size: 1 };
    validateArguments('memory-read', args);
    expect(args).toEqual({ address: '0x10', size: 1 });
  });

  it('accepts absent and empty arguments alike', () => {
    expect(validateArguments('query-status', undefined)).toEqual({});
    expect(validateArguments('query-status', {})).toEqual({});
    expect(validateArguments('qom-list-types', undefined)).toEqual({});
  });
});

describe('any arguments', () => {
  const scalar: fc.Arbitrary<WireValue> = fc.oneof(
    fc.constantFrom<WireValue>(null, true, '', 'oob', 'chardev', 'page', '0x1000', 'nic0', 4096, -1, 2n ** 64n - 1n),
    fc.maxSafeInteger(),
    fc.string(),
    fc.double({ noNaN: true }).map((value) => new WireFloat(value)),
  );
  const members = [...new Set(Object.values(schema.types).flatMap((type) => ('members' in type ? type.members : [])))];
  const name = fc.oneof(fc.constantFrom(...members.map((member) => member.name)), fc.string());
  const value = fc.letrec<{ value: WireValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      scalar,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
    ),
  })).value;
  const commands = Object.keys(schema.commands) as CommandName[];

  it('are either taken or refused with a sentence', () => {
    const args = fc.dictionary(name, value, { maxKeys: 5, noNullPrototype: true });
    fc.assert(
      fc.property(fc.constantFrom(...commands), args, (command, object) => {
        try {
          validateArguments(command, object);
        } catch (error) {
          expect(error).toBeInstanceOf(CommandError);
          expect((error as CommandError).message).toMatch(
            /^(Parameter '.*' (is missing|is unexpected|does not accept value '.*'|expects .*)|Invalid parameter type for '.*', expected: \w+)$/s,
          );
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('with one member changed to a wrong type name that member', () => {
    const good = {
      device: 'nic0',
      granularity: 'page',
      'domain-id': 1,
      pasid: 1,
      address: 0,
      size: 4096,
      'leaf-only': true,
    };
    const wrong = fc.constantFrom<WireValue>(null, [], {}, new WireFloat(1));
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(good)), wrong, (member, bad) => {
        expect(sentence('iommu-flush-iotlb', good)).toBe('valid');
        expect(sentence('iommu-flush-iotlb', { ...good, [member]: bad })).toContain(
          `Invalid parameter type for '${member}', expected: `,
        );
      }),
    );
  });
});
