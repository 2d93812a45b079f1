/** Who the daemon says it is: the same for query-version and the greeting, query-name, query-uuid. */
export interface Identity {
  readonly version: {
    /** The QEMU release whose monitor surface this is. */
    readonly qemu: { readonly micro: number; readonly minor: number; readonly major: number };
    /** `viommud-` and the daemon's own version. */
    readonly package: string;
  };
  /** `-name`; absent where none was given. */
  readonly name?: string;
  /** `-uuid`, or all zeros. */
  readonly uuid: string;
}
