import { CommandError } from '../core/errors.ts';
import { createMachine } from '../machine/create.ts';
import { machineTypes } from '../machine/types.ts';
import type { Action } from '../options/options.ts';
import { listing } from '../options/parameters.ts';
import { deviceListProperties } from '../qom/commands.ts';
import type { QomType, TypeRegistry } from '../qom/type-registry.ts';

/** A list that `-device help` and its like ask for. */
export interface Listing {
  readonly text: string;
  readonly status: number;
  /** For stderr: what the name in the question has against it. */
  readonly complaint?: string;
}

type Question = Extract<Action, { readonly kind: 'list' }>;

/** Compares as QEMU sorts types: without regard to case. */
function byName(left: QomType, right: QomType): number {
  const [a, b] = [left.name.toLowerCase(), right.name.toLowerCase()];
  return a < b ? -1 : Number(a > b);
}

function concreteTypes(types: TypeRegistry, kind: string): QomType[] {
  return types.all().filter((type) => type.isA(kind) && !type.abstract && !type.isInterface);
}

/** The headings of `-device help`, in QEMU's order; a device stands under the first that fits. */
const categories: readonly { readonly title: string; readonly fits: (type: QomType) => boolean }[] = [
  { title: 'Controller/Bridge/Hub', fits: (type) => type.isA('base-pci-bridge') },
  { title: 'Storage', fits: (type) => type.name === 'ich9-ahci' },
  { title: 'Misc', fits: () => true },
];

/** A type without a description has its parent's. */
function descriptionOf(type: QomType): string | undefined {
  return type.definition.description ?? (type.parent === null ? undefined : descriptionOf(type.parent));
}

function describeDevice(type: QomType): string {
  const { aliases = [] } = type.definition;
  const description = descriptionOf(type);
  return [
    `name "${type.name}"`,
    ...(type.busType === null ? [] : [`bus ${type.busType}`]),
    ...aliases.map((alias) => `alias "${alias}"`),
    ...(description === undefined ? [] : [`desc "${description}"`]),
  ].join(', ');
}

function listDevices(types: TypeRegistry): string {
  const devices = concreteTypes(types, 'device')
    .filter((type) => type.pluggable)
    .sort(byName);
  const sections = categories.map(({ title, fits }) => {
    const mine = devices.filter((type) => categories.find((category) => category.fits(type))?.fits === fits);
    return [`${title} devices:`, ...mine.map(describeDevice), ''].join('\n');
  });
  return sections.join('\n');
}

function listMachines(): string {
  const line = (name: string, text: string): string => `${name.padEnd(20)} ${text}`;
  const lines = machineTypes().flatMap(({ name, alias, description, isDefault }) => [
    ...(alias === undefined ? [] : [line(alias, `${description} (alias of ${name})`)]),
    line(name, isDefault ? `${description} (default)` : description),
  ]);
  return ['Supported machines are:', ...lines, ''].join('\n');
}

/** The properties that a type, not only some object of it, takes from outside. */
function listType(type: QomType): string {
  const properties = type.classNames().map((name) => type.property(name)!);
  const taken = properties.filter(({ writable }) => writable !== 'never');
  return listing(
    type.name,
    taken.map(({ name, kind, description }) => ({ name, type: kind.type, description })),
  );
}

function json(value: unknown): string {
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value);
}

function listDevice(types: TypeRegistry, driver: string, option: string): Listing {
  try {
    const properties = deviceListProperties(types, driver).map((property) => ({
      name: property.name,
      type: property.type,
      description: property.description,
      fallback: property['default-value'] === undefined ? undefined : json(property['default-value']),
    }));
    return { text: listing(driver, properties), status: 0 };
  } catch (error) {
    // QEMU's status is 0 here, as for every question that was answered.
    if (error instanceof CommandError) return { text: '', status: 0, complaint: `${option}: ${error.message}` };
    throw error;
  }
}

function listObject(types: TypeRegistry, name: string, option: string): Listing {
  const type = concreteTypes(types, 'user-creatable').find((candidate) => candidate.name === name);
  if (type !== undefined) return { text: listType(type), status: 0 };
  return { text: '', status: 1, complaint: `${option}: Parameter 'qom-type' does not accept value '${name}'` };
}

function listObjects(types: TypeRegistry): string {
  const names = concreteTypes(types, 'user-creatable').sort(byName);
  return ['List of user creatable objects:', ...names.map(({ name }) => `  ${name}`), ''].join('\n');
}

/** A machine that nobody knows is answered with those that there are. */
function listMachine(types: TypeRegistry, name: string): string {
  const machine = machineTypes().find((type) => type.name === name || type.alias === name);
  return machine === undefined ? listMachines() : listType(types.require(machine.qomType));
}

/** What a help option asks for, in QEMU's layout. @param points the names of the trace points */
export function answer({ subject, name, option }: Question, points: readonly string[]): Listing {
  const { types } = createMachine({ type: 'none' });
  const done = (text: string): Listing => ({ text, status: 0 });
  switch (subject) {
    case 'machines':
      return done(listMachines());
    case 'machine':
      return done(listMachine(types, name ?? ''));
    case 'devices':
      return done(listDevices(types));
    case 'device':
      return listDevice(types, name ?? '', option);
    case 'objects':
      return done(listObjects(types));
    case 'object':
      return listObject(types, name ?? '', option);
    case 'traces':
      return done(points.map((point) => `${point}\n`).join(''));
  }
}
