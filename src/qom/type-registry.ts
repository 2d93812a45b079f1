import { CommandError } from '../core/errors.ts';
import { baseTypes } from './base-types.ts';
import type { QomObject } from './object.ts';
import type { Property } from './property.ts';

/** What a room says about one of its types. */
export interface TypeDefinition {
  readonly name: string;
  /** Registered earlier; absent for the two roots, `object` and `interface`. */
  readonly parent?: string;
  /** No object has exactly this type. Not inherited. */
  readonly abstract?: boolean;
  /** Interface types that the type and its heirs implement. */
  readonly interfaces?: readonly string[];
  /** Own properties in the order in which QEMU lists them; those of the parents are inherited and listed first. */
  readonly properties?: readonly Property<unknown>[];
  /** Own properties that each object adds when it is made, in that order; listings show them behind the class's. */
  readonly instanceProperties?: readonly Property<unknown>[];
  /** Names of own properties in the order of `info qtree`; default: that of listings. */
  readonly treeOrder?: readonly string[];
  readonly description?: string;
  /** The type of bus that a device needs (`PCI`). Inherited. */
  readonly busType?: string;
  /** False for devices that only a machine creates. Inherited. */
  readonly pluggable?: boolean;
  /** False for devices that can only be there from the start. Inherited. */
  readonly hotpluggable?: boolean;
  /** Other names that `device_add` takes for the type. */
  readonly aliases?: readonly string[];
  /** Makes an object of exactly this type. Not inherited. */
  readonly create?: (type: QomType) => QomObject;
}

/** A registered type with what it inherits. */
export class QomType {
  readonly name: string;
  readonly parent: QomType | null;
  readonly definition: TypeDefinition;
  /** Where the type is registered. */
  readonly registry: TypeRegistry;
  readonly #properties = new Map<string, Property<unknown>>();
  readonly #ancestors: ReadonlySet<string>;

  constructor(
    registry: TypeRegistry,
    definition: TypeDefinition,
    parent: QomType | null,
    interfaces: readonly QomType[],
  ) {
    this.registry = registry;
    this.name = definition.name;
    this.parent = parent;
    this.definition = definition;
    if (parent !== null) for (const [name, property] of parent.#properties) this.#properties.set(name, property);
    const { properties = [], instanceProperties = [] } = definition;
    for (const property of [...properties, ...instanceProperties]) this.#properties.set(property.name, property);
    const inherited = [parent, ...interfaces].flatMap((type) => (type === null ? [] : type.ancestors()));
    this.#ancestors = new Set([definition.name, ...inherited]);
  }

  get abstract(): boolean {
    return this.definition.abstract === true;
  }

  /** True for `interface` and what is derived from it; not for a type that implements one, though that is one too. */
  get isInterface(): boolean {
    return this.name === 'interface' || this.parent?.isInterface === true;
  }

  /** The type of bus that devices of this type sit on; null for none (or for no device). */
  get busType(): string | null {
    return this.definition.busType ?? this.parent?.busType ?? null;
  }

  get pluggable(): boolean {
    return this.definition.pluggable ?? this.parent?.pluggable ?? true;
  }

  get hotpluggable(): boolean {
    return this.definition.hotpluggable ?? this.parent?.hotpluggable ?? true;
  }

  /** True when `name` is this type, one of its parents or one of their interfaces. */
  isA(name: string): boolean {
    return this.#ancestors.has(name);
  }

  /** This type, its parents and all their interfaces. */
  ancestors(): readonly string[] {
    return [...this.#ancestors];
  }

  property(name: string): Property<unknown> | null {
    return this.#properties.get(name) ?? null;
  }

  /** Names of the properties of the parents and the type, in the order of listings. */
  classNames(): readonly string[] {
    const own = (this.definition.properties ?? []).map(({ name }) => name);
    return [...new Set([...(this.parent?.classNames() ?? []), ...own])];
  }

  /** Names of the properties that each object adds when it is made, in the order of adding. */
  instanceNames(): readonly string[] {
    const own = (this.definition.instanceProperties ?? []).map(({ name }) => name);
    return [...(this.parent?.instanceNames() ?? []), ...own];
  }

  /** A new object of this type, outside any tree. Throws Error for an abstract type or one that cannot be made so. */
  create(): QomObject {
    if (this.abstract || this.definition.create === undefined) throw new Error(`type ${this.name} has no objects`);
    return this.definition.create(this);
  }
}

/** A value that devices of a type, and of those derived from it, begin with: `-global edu.dma_mask=0xff`. */
export interface GlobalProperty {
  readonly driver: string;
  readonly property: string;
  readonly value: string;
}

/** All types of the program, by name. */
export class TypeRegistry {
  /** In the order in which they are applied. Those of types that are not registered mean nothing. */
  readonly globals: GlobalProperty[] = [];
  readonly #types = new Map<string, QomType>();
  readonly #aliases = new Map<string, QomType>();

  constructor() {
    for (const definition of baseTypes) this.add(definition);
  }

  /** Registers a type; its parent and interfaces are there already. Throws Error when they are not or the name is taken. */
  add(definition: TypeDefinition): QomType {
    if (this.#types.has(definition.name)) throw new Error(`type ${definition.name} is registered already`);
    const parent = definition.parent === undefined ? null : this.require(definition.parent);
    const interfaces = (definition.interfaces ?? []).map((name) => this.require(name));
    const type = new QomType(this, definition, parent, interfaces);
    this.#types.set(type.name, type);
    for (const alias of definition.aliases ?? []) this.#aliases.set(alias, type);
    return type;
  }

  get(name: string): QomType | null {
    return this.#types.get(name) ?? null;
  }

  /** A type that the program itself relies on. Throws Error when it is not registered. */
  require(name: string): QomType {
    const type = this.#types.get(name);
    if (type === undefined) throw new Error(`type ${name} is not registered`);
    return type;
  }

  /** All types in the order of registration. */
  all(): readonly QomType[] {
    return [...this.#types.values()];
  }

  /**
   * The type that `device_add` creates for a driver name.
   * Throws CommandError when it is no device, abstract, or cannot be added (while the machine runs, if `hotplug`).
   */
  pluggableDevice(driver: string, hotplug: boolean): QomType {
    const type = this.#types.get(driver) ?? this.#aliases.get(driver) ?? null;
    if (type?.isA('device') !== true) throw new CommandError(`'${driver}' is not a valid device model name`);
    if (type.abstract) throw new CommandError("Parameter 'driver' expects a non-abstract device type");
    if (!type.pluggable || (hotplug && !type.hotpluggable)) {
      throw new CommandError("Parameter 'driver' expects a pluggable device type");
    }
    return type;
  }
}
