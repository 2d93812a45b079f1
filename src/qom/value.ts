/** What a property holds as seen from outside: the values of the wire, and the path of an object for links and children. */
export type QomValue = null | boolean | number | bigint | string | QomValue[] | { [member: string]: QomValue };

/** A number of the wire that is no integer; the room that reads the wire has the class. */
function isFloat(value: unknown): value is { readonly value: number } {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    value.constructor !== Object &&
    'value' in value &&
    typeof value.value === 'number'
  );
}

/** The 17 significant digits that C's `%.17g` prints. */
function floatText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e17) return Object.is(value, -0) ? '-0' : value.toFixed(0);
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  if (exponent < -4 || exponent >= 17) {
    const [digits, power] = value.toExponential(16).split('e');
    const sign = power!.startsWith('-') ? '-' : '+';
    return `${digits!.replace(/\.?0+$/, '')}e${sign}${power!.slice(1).padStart(2, '0')}`;
  }
  return value.toPrecision(17).replace(/\.?0+$/, '');
}

/**
 * A value of the wire as `device_add` takes it: QEMU turns every scalar into the text that the command line would hold
 * and ignores null, arrays and objects as if the member were absent (undefined).
 */
export function propertyText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value.toString() : floatText(value);
  if (isFloat(value)) return floatText(value.value);
  return undefined;
}
