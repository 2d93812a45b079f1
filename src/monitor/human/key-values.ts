/**
 * `driver,name=value,flag` as the human monitor takes it: the first part without `=` is the value of `implied`, a
 * later one is switched on, and `,,` stands for a comma.
 */
export function readKeyValues(text: string, implied: string): Record<string, string> {
  const values: Record<string, string> = {};
  const parts = text.match(/(?:,,|[^,])+/g) ?? [];
  for (const [index, part] of parts.map((escaped) => escaped.replaceAll(',,', ',')).entries()) {
    const equals = part.indexOf('=');
    if (equals >= 0) values[part.slice(0, equals)] = part.slice(equals + 1);
    else if (index === 0) values[implied] = part;
    else values[part] = 'on';
  }
  return values;
}
