import * as t from 'io-ts';

import type { AgentKind, Plan as PlanRecord, PlanStep } from '../model/plan';
import { listOf, oneOf } from './plain';
import { record } from './record';

const kinds: Readonly<Record<AgentKind, true>> = {
  function: true,
  operator: true,
  chain: true,
  workflow: true,
  each: true,
  branch: true,
  loop: true,
  fallback: true,
  firstOf: true,
  saga: true,
  approval: true,
  sleep: true,
};

/** The declared shape of a run. */
export const Plan: t.Type<PlanRecord> = listOf(
  record<PlanStep>(
    'PlanStep',
    { path: t.string, kind: oneOf(kinds), agent: t.string, sources: listOf(t.string) },
    { result: listOf(t.string) },
  ),
);
