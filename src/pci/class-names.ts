/** What `query-pci` calls the classes (base class and subclass) of functions that this program has. */
const names: ReadonlyMap<number, string> = new Map([
  [0x0100, 'SCSI controller'],
  [0x0101, 'IDE controller'],
  [0x0106, 'SATA controller'],
  [0x0200, 'Ethernet controller'],
  [0x0300, 'VGA controller'],
  [0x0600, 'Host bridge'],
  [0x0601, 'ISA bridge'],
  [0x0604, 'PCI bridge'],
  [0x0c03, 'USB controller'],
  [0x0c05, 'SMBus'],
]);

/** The name of a class; null for one without. */
export function classDescription(classCode: number): string | null {
  return names.get(classCode) ?? null;
}
