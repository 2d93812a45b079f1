import { VioDevice } from './vio-device.ts';

/** A VIO device that moves data on command, with a DMA window as large as those of QEMU's VIO devices. */
export class VioDmaAgent extends VioDevice {
  protected get windowSize(): bigint {
    return 0x1000_0000n;
  }
}
