import type { Board, BoardParts } from './board.ts';
import { buildNone } from './none.ts';
import { PseriesBoard } from './pseries.ts';
import { Q35Board } from './q35/q35.ts';
import { S390Board } from './s390.ts';

/** The boards that machine types name. */
const BOARDS = {
  none: buildNone,
  pseries: (parts: BoardParts): Board => new PseriesBoard(parts),
  q35: (parts: BoardParts): Board => new Q35Board(parts),
  s390: (parts: BoardParts): Board => new S390Board(parts),
} as const;

export type BoardName = keyof typeof BOARDS;

/** Builds the board of a machine type. @throws CommandError when the RAM or the firmware cannot be had */
export function buildBoard(name: BoardName, parts: BoardParts): Board {
  return BOARDS[name](parts);
}
