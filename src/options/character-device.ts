import { OptionError } from './error.ts';
import { type KeyValue, parseKeyValues } from './key-value.ts';
import type { CharacterDevice, Endpoint } from './options.ts';
import {
  asksForHelp,
  complaintAbout,
  HelpRequest,
  type ParameterList,
  type Place,
  parseParameters,
  recordOf,
  refuse,
} from './parameters.ts';

/** What `-chardev` takes for any backend; each backend ignores what is not its own, as QEMU's do. */
export const characterDevices: ParameterList = {
  name: 'chardev',
  implied: 'backend',
  parameters: {
    backend: 'string',
    path: 'string',
    host: 'string',
    port: 'string',
    fd: 'string',
    localaddr: 'string',
    localport: 'string',
    to: 'number',
    ipv4: 'switch',
    ipv6: 'switch',
    wait: 'switch',
    server: 'switch',
    delay: 'switch',
    nodelay: 'switch',
    reconnect: 'number',
    telnet: 'switch',
    tn3270: 'switch',
    'tls-creds': 'string',
    'tls-authz': 'string',
    websocket: 'switch',
    width: 'number',
    height: 'number',
    cols: 'number',
    rows: 'number',
    mux: 'switch',
    signal: 'switch',
    name: 'string',
    debug: 'number',
    size: 'size',
    chardev: 'string',
    append: 'switch',
    logfile: 'string',
    logappend: 'switch',
    abstract: 'switch',
    tight: 'switch',
    mouse: 'switch',
    clipboard: 'switch',
  },
};

/** Backends that QEMU has and this program does not. */
const foreignBackends = new Set([
  'file',
  'pipe',
  'pty',
  'vc',
  'udp',
  'ringbuf',
  'serial',
  'tty',
  'parallel',
  'parport',
  'braille',
  'msmouse',
  'wctablet',
  'testdev',
  'spicevmc',
  'spiceport',
  'qemu-vdagent',
  'dbus',
  'mux',
  'memory',
  'console',
]);

function foreignSentence(backend: string): string {
  return `the character device '${backend}' is not among those of viommud: unix and tcp sockets, stdio and null`;
}

/** A socket by its parameters. Throws what `fail` makes of a sentence. */
function socketEndpoint(values: Readonly<Record<string, string>>, fail: (sentence: string) => OptionError): Endpoint {
  const server = values['server'] === 'on';
  if (!server && values['wait'] !== undefined) {
    throw fail("'wait' option is incompatible with socket in client connect mode");
  }
  const reconnect = Number(values['reconnect'] ?? 0);
  if (server && reconnect > 0) throw fail("'reconnect' option is incompatible with socket in server listen mode");
  for (const extra of ['telnet', 'tn3270', 'websocket']) {
    if (values[extra] === 'on') throw fail(`'${extra}' is not served: sockets of viommud carry plain bytes`);
  }
  if (values['tls-creds'] !== undefined) throw fail(`No TLS credentials with id '${values['tls-creds']}'`);
  const lastPort = server ? (values['to'] ?? null) : null;
  const mode = { server, wait: server && values['wait'] !== 'off', reconnect };
  if (['path', 'fd', 'host'].filter((name) => values[name] !== undefined).length > 1) {
    throw fail("None or one of 'path', 'fd' or 'host' option required.");
  }
  if (values['fd'] !== undefined) {
    if (!/^\d+$/.test(values['fd'])) throw fail(`Unable to parse FD number ${values['fd']}`);
    return { kind: 'fd', fd: Number(values['fd']), ...mode };
  }
  if (values['path'] !== undefined) {
    return { kind: 'unix', path: values['path'], abstract: values['abstract'] === 'on', ...mode };
  }
  if (values['host'] !== undefined) {
    if (values['port'] === undefined) throw fail('chardev: socket: no port given');
    return { kind: 'tcp', host: values['host'], port: values['port'], lastPort, ...mode };
  }
  if (values['port'] !== undefined) return { kind: 'tcp', host: '', port: values['port'], lastPort, ...mode };
  throw fail('Unable to parse FD number ');
}

const backendHelp = ['Available chardev backend types: ', '  stdio', '  null', '  socket', ''].join('\n');

/** `-chardev BACKEND,id=ID,…`. Throws OptionError, HelpRequest. */
export function parseCharacterDevice(place: Place, argument: string): CharacterDevice {
  if (asksForHelp(parseKeyValues(argument, 'backend')[0]?.value)) throw new HelpRequest(backendHelp, 0);
  const values = parseParameters(place, characterDevices, argument);
  const { id, backend } = values;
  if (id === undefined) throw refuse(place, 'chardev: no id specified');
  if (backend === undefined) throw refuse(place, `chardev: "${id}" missing backend`);
  const device = { id, mux: values['mux'] === 'on', option: place.option };
  switch (backend) {
    case 'socket':
    case 'unix-socket':
      return { ...device, endpoint: socketEndpoint(values, (sentence) => refuse(place, sentence)) };
    case 'stdio':
      return { ...device, endpoint: { kind: 'stdio' } };
    case 'null':
      return { ...device, endpoint: { kind: 'null' } };
    default:
      if (foreignBackends.has(backend)) throw refuse(place, foreignSentence(backend));
      throw refuse(place, `'${backend}' is not a valid char driver name`);
  }
}

/** `HOST:PORT` in front of the parameters; a host in brackets may hold colons, and an empty one stands for all. */
const hostAndPort = /^(?:\[([^\]]*)\]|([^:]*)):([^,]+)/;

interface Compact {
  readonly backend: string;
  readonly pairs: readonly KeyValue[];
}

/** Takes apart `unix:PATH,…`, `tcp:HOST:PORT,…` or a bare name; null for text that is none of these. */
function takeApart(text: string): Compact | null {
  if (text === 'stdio' || text === 'null') return { backend: text, pairs: [] };
  const colon = text.indexOf(':');
  const scheme = colon < 0 ? text : text.slice(0, colon);
  const rest = text.slice(colon + 1);
  if (colon >= 0 && scheme === 'unix') return { backend: 'socket', pairs: parseKeyValues(rest, 'path') };
  if (colon >= 0 && scheme === 'tcp') {
    const match = hostAndPort.exec(rest);
    if (match === null) return null;
    const parameters = rest.slice(match[0].length).replace(/^,/, '');
    const address = [
      { key: 'host', value: match[1] ?? match[2]! },
      { key: 'port', value: match[3]! },
    ];
    return { backend: 'socket', pairs: [...address, ...parseKeyValues(parameters, null)] };
  }
  return { backend: scheme, pairs: [] };
}

/**
 * A character device in the compact form of `-qmp`, `-monitor` and `-qtest`: `unix:PATH,server=on,wait=off`,
 * `tcp:HOST:PORT,…`, `stdio`, `null`; a `mon:` in front changes nothing here. Throws OptionError, whose last sentence
 * is `summary`.
 */
export function parseCompactDevice(place: Place, text: string, summary: string): Endpoint {
  const fail = (sentence: string): OptionError => new OptionError(`${place.option}: ${sentence}`, { more: [summary] });
  const bare = text.startsWith('mon:') ? text.slice('mon:'.length) : text;
  const parts = takeApart(bare);
  if (parts === null) throw new OptionError(summary);
  if (parts.backend !== 'socket') {
    if (parts.backend === 'stdio') return { kind: 'stdio' };
    if (parts.backend === 'null') return { kind: 'null' };
    const known = foreignBackends.has(parts.backend) || parts.backend === 'telnet' || parts.backend === 'websocket';
    throw known ? refuse(place, foreignSentence(parts.backend)) : fail(`'${bare}' is not a valid char driver`);
  }
  const wrong = complaintAbout(characterDevices, parts.pairs);
  if (wrong !== null) throw fail(wrong.sentence);
  return socketEndpoint(recordOf(parts.pairs), (sentence) => refuse(place, sentence));
}
