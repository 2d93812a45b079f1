import { refuse } from './parameters.ts';
import type { OptionEntry } from './table-entry.ts';

/** QEMU's options about what the model does not have, by what that is; a colon marks those that take an argument. */
const foreign: readonly { readonly lacks: string; readonly names: string }[] = [
  {
    lacks: 'block devices',
    names: 'drive: blockdev: hda: hdb: hdc: hdd: fda: fdb: cdrom: sd: mtdblock: pflash: iscsi: loadvm:',
  },
  {
    lacks: 'processors, so that nothing boots or is debugged',
    names: 'kernel: initrd: append: dtb: option-rom: gdb: s singlestep debugcon: plugin: enable-sync-profile',
  },
  { lacks: 'displays', names: 'spice: full-screen rotate: portrait' },
  { lacks: 'USB', names: 'usb usbdevice:' },
  { lacks: 'shared file systems', names: 'fsdev: virtfs:' },
  { lacks: 'a TPM', names: 'tpmdev:' },
  { lacks: 'firmware tables', names: 'smbios: acpitable: fw_cfg: numa:' },
  { lacks: 'migration', names: 'incoming: dump-vmstate:' },
  { lacks: 'Xen', names: 'xen-domid: xen-attach xen-domid-restrict' },
  { lacks: 'memory outside its own process', names: 'mem-path:' },
  { lacks: 'sets of descriptors', names: 'add-fd:' },
  { lacks: 'a change of user or root; start it as the user that it shall be', names: 'runas: chroot:' },
];

/**
 * Options that QEMU has and this program does not. They are refused by what is missing, not as unknown: whoever
 * carries over a command line of QEMU's learns which part of it to leave out.
 */
export const foreignOptions: readonly OptionEntry[] = foreign.flatMap(({ lacks, names }) =>
  names.split(' ').map((written): OptionEntry => {
    const takesArgument = written.endsWith(':');
    return {
      names: [takesArgument ? written.slice(0, -1) : written],
      argument: takesArgument ? 'VALUE' : null,
      help: null,
      apply(reading) {
        throw refuse(reading, `viommud does not have ${lacks}; leave the option out`);
      },
    };
  }),
);
