import { bool, type PropertyKind, str } from '../qom/kinds.ts';
import { QomObject } from '../qom/object.ts';
import { readonlyProperty } from '../qom/property.ts';
import type { QomType, TypeRegistry } from '../qom/type-registry.ts';
import type { QomValue } from '../qom/value.ts';

/** A character device as its owner tells of it; what is told may change from one moment to the next. */
export interface CharacterDevice {
  /** Its id, or `compat_monitorN`. */
  readonly label: string;
  /** The kind of socket or stream: the last part of its type's name. */
  readonly kind: 'socket' | 'stdio' | 'null';
  /** As query-chardev tells it: `unix:PATH,server=on`, with `disconnected:` in front while nobody is connected. */
  filename(): string;
  /** Somebody is connected. */
  connected(): boolean;
  /** Where it listens or connects to, as SocketAddress; null for one that is no socket. */
  address(): QomValue;
}

class CharacterDeviceObject extends QomObject {
  readonly device: CharacterDevice | null;

  constructor(type: QomType, device: CharacterDevice | null) {
    super(type);
    this.device = device;
  }
}

function deviceOf(object: QomObject): CharacterDevice | null {
  return object instanceof CharacterDeviceObject ? object.device : null;
}

const socketAddress: PropertyKind<QomValue> = {
  ...(str as PropertyKind<never>),
  type: 'SocketAddress',
  encode: (value) => value,
};

/** Registers the types of character devices. */
export function registerCharacterDeviceTypes(types: TypeRegistry): void {
  const create = (type: QomType): QomObject => new CharacterDeviceObject(type, null);
  types.add({ name: 'chardev', parent: 'object', abstract: true });
  types.add({
    name: 'chardev-socket',
    parent: 'chardev',
    properties: [
      readonlyProperty('connected', bool, (object) => deviceOf(object)?.connected() ?? false),
      readonlyProperty('addr', socketAddress, (object) => deviceOf(object)?.address() ?? null),
    ],
    create,
  });
  types.add({ name: 'chardev-fd', parent: 'chardev', abstract: true });
  types.add({ name: 'chardev-stdio', parent: 'chardev-fd', create });
  types.add({ name: 'chardev-null', parent: 'chardev', create });
}

/** The ends of the monitors, below /chardevs. */
export class CharacterDevices {
  readonly #container: QomObject;

  constructor(container: QomObject) {
    this.#container = container;
  }

  /** In the order of listings. */
  get all(): readonly CharacterDevice[] {
    return this.#container.list().flatMap(({ name }) => {
      const object = this.#container.child(name);
      const device = object === null ? null : deviceOf(object);
      return device === null ? [] : [device];
    });
  }

  /** Throws CommandError when the label is taken. */
  add(device: CharacterDevice): void {
    const type = this.#container.type.registry.require(`chardev-${device.kind}`);
    this.#container.addChild(device.label, new CharacterDeviceObject(type, device));
  }
}
