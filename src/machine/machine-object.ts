import { QomObject } from '../qom/object.ts';
import { container } from '../qom/tree.ts';
import type { QomType } from '../qom/type-registry.ts';

/** The machine in the tree, with the containers that devices of the user go into. */
export class MachineObject extends QomObject {
  /** RAM in bytes. */
  memorySize = 0n;
  /** The object that holds the RAM; null without RAM. */
  memoryBackend: QomObject | null = null;
  /** Parent of the user's devices with an id. */
  readonly peripheral: QomObject;
  /** Parent of the user's devices without one. */
  readonly peripheralAnon: QomObject;

  constructor(type: QomType) {
    super(type);
    this.peripheral = container(type.registry, this, 'peripheral');
    this.peripheralAnon = container(type.registry, this, 'peripheral-anon');
  }
}
