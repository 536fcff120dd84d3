/** A transition: the effects are carried out in order, each complete before the next and before another event is given. */
export interface Stepped<State, Effect> {
  readonly next: State;
  readonly effects: readonly Effect[];
}

/** The event has no meaning in this state; nothing changes. */
export interface Denied {
  readonly denied: string;
}

export type StepResult<State, Effect> = Stepped<State, Effect> | Denied;

export function isDenied<State, Effect>(result: StepResult<State, Effect>): result is Denied {
  return 'denied' in result;
}
