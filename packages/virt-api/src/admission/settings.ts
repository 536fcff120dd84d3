import type { AdmissionPlugin } from '@godwit/api-server';
import { evictionStrategies, kubeVirtSpecSupport, migrationPolicySpecSupport, names } from '@godwit/api';
import type { SupportRules } from '@godwit/api';
import { isObject, jsonEqual } from '@godwit/core/json';
import { invalid, newProblems } from '../refuse.ts';
import type { FieldProblem } from '../refuse.ts';
import { isControllers } from '../users.ts';
import { judgeFields } from './judge-fields.ts';
import { migrationOptionProblems } from './migration-options.ts';

interface Settings {
  readonly kind: string;
  readonly support: SupportRules;
  problems(spec: unknown): readonly FieldProblem[];
  /** Values without effect in fields that have one. */
  idle?(spec: unknown): readonly string[];
}

/** Feature gates of what is always there, whoever asks for it. */
const ALWAYS_ON: readonly unknown[] = [
  'DecentralizedLiveMigration',
  'DeclarativeHotplugVolumes',
  'ExpandDisks',
  'HotplugVolumes',
  'LiveMigration',
  'MigrationPriorityQueue',
  'NodeRestriction',
  'VMLiveUpdateFeatures',
  'VolumeMigration',
  'VolumesUpdateStrategy',
];

function unknownValue(field: string, value: unknown, known: readonly string[]): FieldProblem[] {
  if (typeof value !== 'string' || known.includes(value)) return [];
  return [{ field, message: `"${value}" is none of ${known.join(', ')}`, reason: 'FieldValueNotSupported' }];
}

function kubeVirtProblems(spec: unknown): readonly FieldProblem[] {
  const { configuration, workloadUpdateStrategy } = isObject(spec) ? spec : {};
  const { evictionStrategy, vmRolloutStrategy, migrations } = isObject(configuration) ? configuration : {};
  const methods = isObject(workloadUpdateStrategy) ? workloadUpdateStrategy['workloadUpdateMethods'] : undefined;
  return [
    ...unknownValue('spec.configuration.evictionStrategy', evictionStrategy, evictionStrategies),
    ...unknownValue('spec.configuration.vmRolloutStrategy', vmRolloutStrategy, ['Stage', 'LiveUpdate']),
    ...migrationOptionProblems(migrations, 'spec.configuration.migrations'),
    ...(Array.isArray(methods) ? methods : []).flatMap((method, index) =>
      unknownValue(`spec.workloadUpdateStrategy.workloadUpdateMethods[${index}]`, method, ['LiveMigrate', 'Evict']),
    ),
  ];
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function idleSettings(spec: unknown): readonly string[] {
  const { configuration, workloadUpdateStrategy } = isObject(spec) ? spec : {};
  const { developerConfiguration } = isObject(configuration) ? configuration : {};
  const gates = isObject(developerConfiguration) ? developerConfiguration['featureGates'] : undefined;
  const methods = isObject(workloadUpdateStrategy) ? workloadUpdateStrategy['workloadUpdateMethods'] : undefined;
  const told = (list: unknown, path: string, why: (item: unknown) => string | undefined): string[] =>
    listOf(list).flatMap((item, index) => {
      const reason = why(item);
      return reason === undefined ? [] : [`${path}[${index}] has no effect here: ${reason}`];
    });
  return [
    ...told(gates, 'spec.configuration.developerConfiguration.featureGates', (gate) =>
      ALWAYS_ON.includes(gate) ? undefined : `there is no feature gate "${String(gate)}"`,
    ),
    ...told(methods, 'spec.workloadUpdateStrategy.workloadUpdateMethods', (method) =>
      method === 'Evict' ? 'a change that needs a migration never evicts the guest; LiveMigrate moves it' : undefined,
    ),
  ];
}

/** A number of migrations for which KubeVirt has no field. */
function inboundProblems(value: string | undefined): FieldProblem[] {
  if (value === undefined || /^[1-9]\d*$/.test(value)) return [];
  const field = `metadata.annotations[${names.inboundLimitAnnotation}]`;
  return [{ field, message: `must be a number of migrations, 1 or more, not "${value}"` }];
}

const SETTINGS: Readonly<Record<string, Settings>> = {
  kubevirts: { kind: 'KubeVirt', support: kubeVirtSpecSupport, problems: kubeVirtProblems, idle: idleSettings },
  migrationpolicies: {
    kind: 'MigrationPolicy',
    support: migrationPolicySpecSupport,
    problems: (spec) => migrationOptionProblems(spec, 'spec'),
  },
};

/**
 * Admission of the KubeVirt object and of MigrationPolicy: values that could never work are refused, settings without effect
 * are answered with a Warning.
 */
export const settingsAdmission: AdmissionPlugin = {
  name: 'settings.godwit.dev',
  validate(request) {
    const settings = SETTINGS[request.resource.plural];
    if (!settings || request.subresource !== '' || request.operation === 'DELETE' || isControllers(request.user))
      return [];
    const spec = request.object?.['spec'];
    const inbound = request.object?.metadata.annotations?.[names.inboundLimitAnnotation];
    const before = request.oldObject?.['spec'];
    const changed = !jsonEqual(spec, before);
    const verdict = judgeFields(settings.support, spec, 'spec');
    const problems = [
      ...(inbound === request.oldObject?.metadata.annotations?.[names.inboundLimitAnnotation]
        ? []
        : inboundProblems(inbound)),
      ...(changed ? [...verdict.problems, ...newProblems(settings.problems(spec), settings.problems(before))] : []),
    ];
    if (problems.length > 0) throw invalid({ kind: settings.kind, name: request.name }, problems);
    return changed ? [...verdict.warnings, ...(settings.idle?.(spec) ?? [])] : [];
  },
};
