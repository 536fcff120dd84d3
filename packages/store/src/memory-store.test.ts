import { createMemoryStore } from './open.ts';
import { storeConformance } from './testing/conformance.ts';

storeConformance('memory store', { open: (clock) => createMemoryStore({ clock, initialRevision: 0 }) });
