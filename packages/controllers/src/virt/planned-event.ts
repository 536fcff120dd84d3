/** An event that a decision wants recorded about its object. */
export interface PlannedEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export function normal(reason: string, message: string): PlannedEvent {
  return { type: 'Normal', reason, message };
}

export function warning(reason: string, message: string): PlannedEvent {
  return { type: 'Warning', reason, message };
}
