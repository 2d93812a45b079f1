/** The names of all trace points, in the order in which `-trace help` lists them. */
export const tracePointNames: readonly string[] = [];
