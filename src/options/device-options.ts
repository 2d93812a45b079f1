import { identifierHint, isIdentifier } from '../core/identifier.ts';
import { claimId, jsonValues, type ParameterList, parseParameters, refuse } from './parameters.ts';
import { idsOf, type OptionEntry, type Reading } from './table-entry.ts';

const anything = (name: string, implied: string): ParameterList => ({ name, implied, parameters: null });

const devices = anything('device', 'driver');

function applyDevice(reading: Reading, argument: string): void {
  const typed = argument.startsWith('{');
  const values = typed ? jsonValues(reading, argument) : parseParameters(reading, devices, argument);
  const { driver, id } = values;
  if (!typed && (driver === 'help' || driver === '?' || 'help' in values)) {
    reading.options.action = 'device-help';
    return;
  }
  if (typeof driver !== 'string') throw refuse(reading, "Parameter 'driver' is missing");
  if (!typed && typeof id === 'string') claimId(reading, 'device', idsOf(reading, 'device'), id);
  reading.options.devices.push({ driver, values, typed, option: reading.option });
}

const objects = anything('object', 'qom-type');

function applyObject(reading: Reading, argument: string): void {
  const typed = argument.startsWith('{');
  const values = typed ? jsonValues(reading, argument) : parseParameters(reading, objects, argument);
  const type = values['qom-type'];
  const { id } = values;
  if (!typed && (type === 'help' || type === '?')) {
    reading.options.action = 'object-help';
    return;
  }
  if (type === undefined) throw refuse(reading, "Parameter 'qom-type' is missing");
  for (const [name, value] of [['qom-type', type] as const, ['id', id] as const]) {
    if (value !== undefined && typeof value !== 'string') {
      throw refuse(reading, `Invalid parameter type for '${name}', expected: string`);
    }
  }
  if (typeof id === 'string') {
    if (!isIdentifier(id)) throw refuse(reading, "Parameter 'id' expects an identifier", identifierHint);
    claimId(reading, 'object', idsOf(reading, 'object'), id);
  }
  reading.options.objects.push({ type: type as string, values, typed, option: reading.option });
}

const networkBackends = anything('netdev', 'type');

function applyNetworkBackend(reading: Reading, argument: string): void {
  const { id, ...values } = parseParameters(reading, networkBackends, argument);
  if (id === undefined) throw refuse(reading, "Parameter 'id' is missing");
  claimId(reading, 'netdev', idsOf(reading, 'netdev'), id);
  reading.options.networkBackends.push({ name: id, values, option: reading.option });
}

const networkTypes = new Set([
  'none',
  'nic',
  'user',
  'tap',
  'l2tpv3',
  'socket',
  'stream',
  'dgram',
  'vde',
  'bridge',
  'hubport',
  'netmap',
  'vhost-user',
  'vhost-vdpa',
]);

/** `-net` and `-nic`: the machine has no network, so only `none` means something. */
function applyNetwork(reading: Reading, argument: string): void {
  const { type = '' } = parseParameters(reading, anything('net', 'type'), argument);
  if (!networkTypes.has(type)) throw refuse(reading, `Parameter 'type' does not accept value '${type}'`);
  if (type !== 'none')
    throw refuse(reading, `viommud has no network; leave the option out, or write none for '${type}'`);
}

/** Options that put something into the machine. */
export const deviceOptions: readonly OptionEntry[] = [
  {
    names: ['device'],
    argument: 'DRIVER[,PROP=VALUE…]',
    help: 'adds a device; also as a JSON object',
    apply: applyDevice,
  },
  {
    names: ['object'],
    argument: 'TYPE,id=ID[,PROP=VALUE…]',
    help: 'adds an object; also as a JSON object',
    apply: applyObject,
  },
  { names: ['netdev'], argument: 'TYPE,id=ID[,…]', help: null, apply: applyNetworkBackend },
  { names: ['net', 'nic'], argument: 'none', help: 'taken; the model has no network', apply: applyNetwork },
];
