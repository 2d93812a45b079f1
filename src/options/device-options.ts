import { identifierHint, isIdentifier } from '../core/identifier.ts';
import { parseKeyValues } from './key-value.ts';
import {
  asksForHelp,
  claimId,
  HelpRequest,
  jsonValues,
  type ParameterList,
  parseParameters,
  refuse,
} from './parameters.ts';
import { idsOf, list, type OptionEntry, type Reading } from './table-entry.ts';

const anything = (name: string, implied: string): ParameterList => ({ name, implied, parameters: null });

/** True when an element of an argument asks what its properties are: `edu,help`. */
function questioned(argument: string): boolean {
  return parseKeyValues(argument, null).some(({ flag }) => asksForHelp(flag));
}

const devices = anything('device', 'driver');

function applyDevice(reading: Reading, argument: string): void {
  const typed = argument.startsWith('{');
  const values = typed ? jsonValues(reading, argument) : parseParameters(reading, devices, argument);
  const { driver, id } = values;
  if (!typed) {
    if (asksForHelp(values['driver'] as string | undefined)) {
      list(reading, 'devices', null);
      return;
    }
    if (questioned(argument)) {
      list(reading, 'device', String(driver));
      return;
    }
  }
  if (typeof driver !== 'string') throw refuse(reading, "Parameter 'driver' is missing");
  if (!typed && typeof id === 'string') claimId(reading, 'device', idsOf(reading, 'device'), id);
  reading.options.devices.push({ driver, values, typed, option: reading.option });
}

/** `-set device.ID.NAME=VALUE`: one more property of a device that was given before. */
function applySetting(reading: Reading, argument: string): void {
  const match = /^([^.]{1,63})\.([^.]{1,63})\.([^=]{1,63})=(.*)$/s.exec(argument);
  if (match === null) throw refuse(reading, `can't parse: "${argument}"`);
  const [group, id, name, value] = match.slice(1) as [string, string, string, string];
  if (group !== 'device') throw refuse(reading, `There is no option group '${group}'`);
  const given = reading.options.devices;
  const index = given.findIndex(({ values, typed }) => !typed && values['id'] === id);
  if (index < 0) throw refuse(reading, `there is no device "${id}" defined`);
  given[index] = { ...given[index]!, values: { ...given[index]!.values, [name]: value } };
}

const objects = anything('object', 'qom-type');

function applyObject(reading: Reading, argument: string): void {
  const typed = argument.startsWith('{');
  const values = typed ? jsonValues(reading, argument) : parseParameters(reading, objects, argument);
  const type = values['qom-type'];
  const { id } = values;
  if (!typed) {
    if (asksForHelp(values['qom-type'] as string | undefined)) {
      list(reading, 'objects', null);
      return;
    }
    if (questioned(argument)) {
      list(reading, 'object', String(type));
      return;
    }
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
  if (asksForHelp(argument)) throw new HelpRequest('Available netdev backend types:\n', 0);
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
    group: 'device',
    argument: 'DRIVER[,PROP=VALUE…]',
    help: 'adds a device; also as a JSON object',
    apply: applyDevice,
  },
  {
    names: ['set'],
    argument: 'device.ID.PROP=VALUE',
    help: 'one more property of a device that was given before',
    apply: applySetting,
  },
  {
    names: ['object'],
    group: 'object',
    argument: 'TYPE,id=ID[,PROP=VALUE…]',
    help: 'adds an object; also as a JSON object',
    apply: applyObject,
  },
  { names: ['netdev'], group: 'netdev', argument: 'TYPE,id=ID[,…]', help: null, apply: applyNetworkBackend },
  { names: ['net', 'nic'], argument: 'none', help: 'taken; the model has no network', apply: applyNetwork },
];
