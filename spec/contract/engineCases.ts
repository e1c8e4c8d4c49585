import { askedCases } from './cases/askedCases';
import { combinatorCases } from './cases/combinatorCases';
import { functionCases } from './cases/functionCases';
import { policyCases } from './cases/policyCases';
import { structureCases } from './cases/structureCases';
import type { EngineCase } from './engineCase';

/** Every kind of step, every policy, every source. */
export const engineCases: readonly EngineCase[] = [
  ...functionCases,
  ...structureCases,
  ...policyCases,
  ...combinatorCases,
  ...askedCases,
];
