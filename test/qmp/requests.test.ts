import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TestMachine } from './support.ts';

const generic = (desc: string, id?: unknown): object => {
  const error = { class: 'GenericError', desc };
  return id === undefined ? { error } : { id, error };
};

const notFound = (desc: string, id?: unknown): object => {
  const error = { class: 'CommandNotFound', desc };
  return id === undefined ? { error } : { id, error };
};

/** Bad input after negotiation without `oob`, and the replies to it. */
const BAD_REQUESTS: [input: string, ...replies: object[]][] = [
  ['[]', generic('QMP input must be a JSON object')],
  ['1 ', generic('QMP input must be a JSON object')],
  ['1.5 ', generic('QMP input must be a JSON object')],
  ['"x"', generic('QMP input must be a JSON object')],
  ['null ', generic('QMP input must be a JSON object')],
  ['{}', generic("QMP input lacks member 'execute'")],
  ['{"id": 7}', generic("QMP input lacks member 'execute'", 7)],
  ['{"arguments": {}, "id": null}', generic("QMP input lacks member 'execute'", null)],
  ['{"execute": 1}', generic("QMP input member 'execute' must be a string")],
  ['{"execute": null, "id": [1]}', generic("QMP input member 'execute' must be a string", [1])],
  ['{"execute": "query-name", "arguments": []}', generic("QMP input member 'arguments' must be an object")],
  ['{"execute": "query-name", "arguments": null}', generic("QMP input member 'arguments' must be an object")],
  ['{"execute": "query-name", "arguments": 1.0}', generic("QMP input member 'arguments' must be an object")],
  // The shape of the arguments is looked at before the command is looked up.
  ['{"execute": "nope", "arguments": 1}', generic("QMP input member 'arguments' must be an object")],
  ['{"execute": "query-name", "extra": 1}', generic("QMP input member 'extra' is unexpected")],
  ['{"execute": "query-name", "": 1}', generic("QMP input member '' is unexpected")],
  ['{"execute": "query-name", "__proto__": {}}', generic("QMP input member '__proto__' is unexpected")],
  ['{"exec-oob": "migrate-pause", "id": 1}', generic("QMP input member 'exec-oob' is unexpected", 1)],
  // Members are visited in the order of QEMU's buckets: execute 299 before arguments 447, whatever is sent first.
  ['{"arguments": 1, "execute": 2}', generic("QMP input member 'execute' must be a string")],
  // 'bogus' lies in bucket 136, in front of them, and 'foo' in 490, behind them.
  ['{"execute": 2, "bogus": 1}', generic("QMP input member 'bogus' is unexpected")],
  ['{"foo": 1, "arguments": 2}', generic("QMP input member 'arguments' must be an object")],
  ['{"execute": "nope", "id": "x"}', notFound('The command nope has not been found', 'x')],
  ['{"execute": ""}', notFound('The command  has not been found')],
  ['{"execute": "Query-name"}', notFound('The command Query-name has not been found')],
  ['{"execute": "query_name"}', notFound('The command query_name has not been found')],
  ['{"execute": "constructor"}', notFound('The command constructor has not been found')],
  ['{"execute": "__proto__"}', notFound('The command __proto__ has not been found')],
  ['{"execute": "query-status", "arguments": {"x": 1}}', generic("Parameter 'x' is unexpected")],
  ['{"execute": "migrate-recover"}', generic("Parameter 'uri' is missing")],
  [
    '{"execute": "migrate-recover", "arguments": {"uri": 1}, "id": 2}',
    generic("Invalid parameter type for 'uri', expected: string", 2),
  ],
  ['{"execute": "query-name", "execute": "stop"}', generic('JSON parse error, duplicate key')],
  ['@', generic("JSON parse error, stray '@'")],
  ['}', generic('JSON parse error, expecting value')],
];

describe('a bad request', () => {
  it.each(BAD_REQUESTS)('%s is answered by its sentence, and the session works on', async (input, ...replies) => {
    const machine = new TestMachine();
    const client = machine.negotiated();
    client.send(input);
    expect(await client.take()).toEqual(replies);
    expect(machine.executed).toEqual([]);
    client.send('\n');
    client.execute('query-status', 'after');
    expect(await client.take()).toMatchObject([{ return: { status: 'prelaunch' }, id: 'after' }]);
  });

  it.each(BAD_REQUESTS)('%s gives the same with its bytes one by one', async (input, ...replies) => {
    const client = new TestMachine().negotiated();
    for (const byte of Buffer.from(input)) client.send(Uint8Array.of(byte));
    expect(await client.take()).toEqual(replies);
  });

  it('is told apart from a bug of ours, which is written down and answered too', async () => {
    const machine = new TestMachine();
    const client = machine.negotiated();
    client.execute('bug', 1);
    client.execute('query-name', 2);
    expect(await client.take()).toEqual([
      generic('Internal error in bug: undefined is not a function', 1),
      { return: {}, id: 2 },
    ]);
    expect(machine.internalErrors).toHaveLength(1);
  });

  it('answers a result that cannot be sent instead of falling silent', async () => {
    const machine = new TestMachine();
    const client = machine.negotiated();
    client.execute('unsendable', 1);
    expect(await client.take()).toMatchObject([{ id: 1, error: { class: 'GenericError' } }]);
    expect(machine.internalErrors).toHaveLength(1);
  });
});

describe('an id', () => {
  const IDS: [sent: string, echoed: string][] = [
    ['null', 'null'],
    ['-0', '0'],
    ['18446744073709551615', '18446744073709551615'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['1e3', '1000'],
    ['0.1', '0.10000000000000001'],
    ['1.0', '1'],
    ['"caf\u00e9\\n"', '"caf\\u00E9\\n"'],
    [
      '{"b": 1, "a": 2, "c": {"return": 1, "error": 2, "id": 3}}',
      '{"a": 2, "b": 1, "c": {"return": 1, "id": 3, "error": 2}}',
    ],
    ['[{"2": 1, "1": 2}, []]', '[{"1": 2, "2": 1}, []]'],
  ];

  it.each(IDS)('%s is echoed as %s in a success and in an error', (sent, echoed) => {
    const client = new TestMachine().negotiated();
    client.send(`{"execute": "query-name", "id": ${sent}}{"execute": "nope", "id": ${sent}}`);
    const error = '{"class": "CommandNotFound", "desc": "The command nope has not been found"}';
    expect(client.takeText()).toBe(`{"return": {}, "id": ${echoed}}\r\n{"id": ${echoed}, "error": ${error}}\r\n`);
  });

  it('of any JSON value comes back equal', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const client = new TestMachine().negotiated();
        // Noncharacters are refused by the dialect; -0 and the order of members do not count.
        const id = JSON.stringify(value).replace(/[\ufdd0-\ufdef\ufffe\uffff]|\\u[dD][89a-fA-F]../gu, '?');
        fc.pre(!/[\u{1fffe}-\u{10ffff}]/u.test(id));
        client.send(`{"execute": "query-name", "id": ${id}}`);
        const reply = JSON.parse(client.takeText()) as { id: unknown };
        expect(JSON.parse(JSON.stringify(reply.id))).toEqual(JSON.parse(JSON.stringify(JSON.parse(id))));
      }),
      { numRuns: 100 },
    );
  });
});

describe('negotiation', () => {
  it('knows nothing but qmp_capabilities before it has succeeded', async () => {
    const client = new TestMachine().connect();
    await client.take();
    const expecting = "Expecting capabilities negotiation with 'qmp_capabilities'";
    for (const command of ['query-name', 'query-commands', 'query-clients', 'nope']) client.execute(command, 1);
    expect(await client.take()).toEqual(Array.from({ length: 4 }, () => notFound(expecting, 1)));
    client.execute('qmp_capabilities', 2, { enable: ['nope'] });
    client.execute('query-name', 3);
    expect(await client.take()).toEqual([
      generic("Parameter 'null' does not accept value 'nope'", 2),
      notFound(expecting, 3),
    ]);
    client.execute('qmp_capabilities', 4, { enable: ['oob', 'oob'] });
    client.execute('query-name', 5);
    expect(await client.take()).toEqual([
      { return: {}, id: 4 },
      { return: {}, id: 5 },
    ]);
  });

  it('refuses a capability that the greeting does not offer, and stays open', async () => {
    const client = new TestMachine({ capabilities: [] }).connect();
    expect(await client.take()).toMatchObject([{ QMP: { capabilities: [] } }]);
    client.execute('qmp_capabilities', 1, { enable: ['oob'] });
    client.execute('qmp_capabilities', 2);
    expect(await client.take()).toEqual([generic('Capability oob not available', 1), { return: {}, id: 2 }]);
  });

  it('is over once it has succeeded, but its arguments are still checked first', async () => {
    const client = new TestMachine().negotiated();
    client.execute('qmp_capabilities', 1);
    client.execute('qmp_capabilities', 2, { enable: 1 });
    expect(await client.take()).toEqual([
      notFound('Capabilities negotiation is already complete, command ignored', 1),
      generic("Invalid parameter type for 'enable', expected: array", 2),
    ]);
  });

  it('is a matter of each connection', async () => {
    const machine = new TestMachine();
    machine.negotiated();
    const second = machine.connect();
    await second.take();
    second.execute('query-name');
    expect(await second.take()).toMatchObject([{ error: { class: 'CommandNotFound' } }]);
  });
});
