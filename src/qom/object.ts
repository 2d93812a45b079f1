import { CommandError } from '../core/errors.ts';
import { NameTable } from '../core/name-table.ts';
import type { Property } from './property.ts';
import type { QomType } from './type-registry.ts';
import type { QomValue } from './value.ts';

/** One line of a listing of properties. */
export interface ObjectPropertyInfo {
  name: string;
  type: string;
  description?: string;
  'default-value'?: QomValue;
}

/** A property of an object as it is listed; `property` is null for what the object has beside its type. */
export interface ListedProperty {
  readonly name: string;
  readonly type: string;
  readonly property: Property<unknown> | null;
}

interface Reading {
  readonly type: string;
  readonly get: () => QomValue;
}

/**
 * An object of the machine: it has a type, the values of the type's properties, and a place in the tree, which is a
 * child property of its parent.
 */
export class QomObject {
  readonly type: QomType;
  #parent: QomObject | null = null;
  #name = '';
  readonly #children = new Map<string, QomObject>();
  readonly #values = new Map<string, unknown>();
  readonly #readings = new Map<string, Reading>();
  /** What this one object has beside its type: QEMU lists it in the order of its hash table. */
  readonly #ownNames = new NameTable();

  constructor(type: QomType) {
    this.type = type;
    for (const name of type.instanceNames()) this.#ownNames.insert(name);
  }

  get parent(): QomObject | null {
    return this.#parent;
  }

  /** The name of the parent's child property that holds this object; empty at the top. */
  get name(): string {
    return this.#name;
  }

  /** The path from the top of the tree, `/machine/peripheral/edu0`; empty for an object without parent. */
  get path(): string {
    if (this.#parent === null) return '';
    return `${this.#parent.path}/${this.#name}`;
  }

  /** The top of the tree that this object is in; itself when it has no parent. */
  root(): QomObject {
    return this.#parent?.root() ?? this;
  }

  isA(typeName: string): boolean {
    return this.type.isA(typeName);
  }

  child(name: string): QomObject | null {
    return this.#children.get(name) ?? null;
  }

  /** In the order in which they were added. */
  children(): readonly QomObject[] {
    return [...this.#children.values()];
  }

  /**
   * Makes `child` a child under `name`, in which a final `[*]` stands for the first free number, and returns the name.
   * Throws CommandError when the name is taken.
   */
  addChild(name: string, child: QomObject): string {
    if (child.#parent !== null) throw new Error(`${child.path} has a parent already`);
    const free = name.endsWith('[*]') ? this.#firstFree(name.slice(0, -3)) : name;
    if (this.#has(free)) {
      throw new CommandError(`attempt to add duplicate property '${free}' to object (type '${this.type.name}')`);
    }
    this.#children.set(free, child);
    this.#ownNames.insert(free);
    child.#parent = this;
    child.#name = free;
    return free;
  }

  removeChild(child: QomObject): void {
    if (child.#parent !== this) throw new Error(`${child.path} is no child of ${this.path}`);
    this.#children.delete(child.#name);
    this.#ownNames.remove(child.#name);
    child.#parent = null;
    child.#name = '';
  }

  /** Takes the object out of the tree; nothing when it is in none. */
  unparent(): void {
    this.#parent?.removeChild(this);
  }

  /** A read-only property of this one object, `child[0]` of a bus for instance. Throws Error when the name is taken. */
  addReading(name: string, type: string, get: () => QomValue): void {
    if (this.#has(name)) throw new Error(`${this.path} has a property ${name} already`);
    this.#readings.set(name, { type, get });
    this.#ownNames.insert(name);
  }

  removeReading(name: string): void {
    this.#readings.delete(name);
    this.#ownNames.remove(name);
  }

  /** The value of a property as the program uses it. */
  value<Value>(property: Property<Value>): Value {
    if (property.get !== undefined) return property.get(this);
    return this.#values.has(property.name) ? (this.#values.get(property.name) as Value) : property.default;
  }

  /** Sets a property from inside the program: neither checked nor bound to a phase. */
  assign<Value>(property: Property<Value>, value: Value): void {
    this.#values.set(property.name, value);
  }

  /**
   * Sets a property from a text of the command line or of `device_add`.
   * Throws CommandError when there is none of that name, it takes no value now, or does not take this one.
   */
  setText(name: string, text: string): void {
    const property = this.#settable(name);
    this.#store(property, property.kind.parseText(text, { object: this, name }));
  }

  /** Sets a property from a value of the wire. Throws CommandError as `setText` does. */
  setJson(name: string, value: unknown): void {
    const property = this.#settable(name);
    this.#store(property, property.kind.parseJson(value, { object: this, name }));
  }

  /**
   * Reads a value for a property without setting it: a text, or with `typed` a value of the wire. Links are looked up
   * below `root`. Throws CommandError when the property does not take such a value.
   */
  read(property: Property<unknown>, value: unknown, typed: boolean, root: QomObject): unknown {
    const place = { object: this, name: property.name, root };
    return typed || typeof value !== 'string'
      ? property.kind.parseJson(value, place)
      : property.kind.parseText(value, place);
  }

  /** Sets a property to what `read` gave. Throws CommandError when it does not take this one. */
  accept(property: Property<unknown>, value: unknown): void {
    this.#store(property, value);
  }

  /** The value of a property as `qom-get` shows it. Throws CommandError when there is none of that name. */
  get(name: string): QomValue {
    const child = this.#children.get(name);
    if (child !== undefined) return child.path;
    const reading = this.#readings.get(name);
    if (reading !== undefined) return reading.get();
    const property = this.type.property(name);
    if (property === null) throw this.#notFound(name);
    return property.kind.encode(this.value(property));
  }

  /** The object behind a component of a path: a child, or the target of a link. */
  component(name: string): QomObject | null {
    const child = this.#children.get(name);
    if (child !== undefined) return child;
    const property = this.type.property(name);
    if (property === null) return null;
    const target = this.value(property);
    return target instanceof QomObject ? target : null;
  }

  /** All properties in QEMU's order: those of the type and its parents first, then the object's own and its children. */
  list(): readonly ListedProperty[] {
    const names = [...this.type.classNames(), ...this.#ownNames.names().toReversed()];
    return names.map((name) => ({ name, type: this.#typeOf(name), property: this.type.property(name) }));
  }

  /** Refuses a value from outside because of the phase that the object is in; devices do once they are realized. */
  protected checkPhase(_property: Property<unknown>): void {}

  #store(property: Property<unknown>, value: unknown): void {
    if (property.apply !== undefined) {
      property.apply(this, value);
      return;
    }
    this.#values.set(property.name, value);
  }

  #typeOf(name: string): string {
    const child = this.#children.get(name);
    if (child !== undefined) return `child<${child.type.name}>`;
    const reading = this.#readings.get(name);
    if (reading !== undefined) return reading.type;
    const property = this.type.property(name);
    if (property === null) throw new Error(`${this.path} has no ${name}`);
    return property.kind.type;
  }

  #settable(name: string): Property<unknown> {
    const property = this.type.property(name);
    if (property === null || property.writable === 'never') {
      if (property !== null || this.#has(name)) {
        throw new CommandError(`Property '${this.type.name}.${name}' is not writable`);
      }
      throw this.#notFound(name);
    }
    this.checkPhase(property);
    return property;
  }

  #notFound(name: string): CommandError {
    return new CommandError(`Property '${this.type.name}.${name}' not found`);
  }

  #has(name: string): boolean {
    return this.#children.has(name) || this.#readings.has(name) || this.type.property(name) !== null;
  }

  #firstFree(prefix: string): string {
    for (let index = 0; ; index += 1) {
      const name = `${prefix}[${index}]`;
      if (!this.#has(name)) return name;
    }
  }
}
