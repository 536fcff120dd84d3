/** apps/v1, batch/v1, autoscaling/v1 and policy/v1; see `messages.ts` for the notation. */
export const workloadsMessages = `
@apps
Deployment metadata:1:ObjectMeta spec:2:DeploymentSpec status:3:DeploymentStatus
ReplicaSet metadata:1:ObjectMeta spec:2:ReplicaSetSpec status:3:ReplicaSetStatus
StatefulSet metadata:1:ObjectMeta spec:2:StatefulSetSpec status:3:StatefulSetStatus
DaemonSet metadata:1:ObjectMeta spec:2:DaemonSetSpec status:3:DaemonSetStatus
DeploymentSpec replicas:1:i32? selector:2:LabelSelector? template:3:core.PodTemplateSpec*
 strategy:4:DeploymentStrategy^ minReadySeconds:5:i32 revisionHistoryLimit:6:i32? paused:7:b
 progressDeadlineSeconds:9:i32?
DeploymentStatus observedGeneration:1:i64 replicas:2:i32 updatedReplicas:3:i32 readyReplicas:7:i32
 availableReplicas:4:i32 unavailableReplicas:5:i32 conditions:6:[]DeploymentCondition@type+type
 collisionCount:8:i32?
ReplicaSetSpec replicas:1:i32? minReadySeconds:4:i32 selector:2:LabelSelector? template:3:core.PodTemplateSpec
ReplicaSetStatus replicas:1:i32! fullyLabeledReplicas:2:i32 readyReplicas:4:i32 availableReplicas:5:i32
 observedGeneration:3:i64 conditions:6:[]ReplicaSetCondition@type+type
StatefulSetSpec replicas:1:i32? selector:2:LabelSelector? template:3:core.PodTemplateSpec*
 volumeClaimTemplates:4:[]core.PersistentVolumeClaim% serviceName:5:s! podManagementPolicy:6:s
 updateStrategy:7:StatefulSetUpdateStrategy revisionHistoryLimit:8:i32? minReadySeconds:9:i32
 persistentVolumeClaimRetentionPolicy:10:StatefulSetPersistentVolumeClaimRetentionPolicy?
 ordinals:11:StatefulSetOrdinals?
StatefulSetStatus observedGeneration:1:i64 replicas:2:i32! readyReplicas:3:i32 currentReplicas:4:i32
 updatedReplicas:5:i32 currentRevision:6:s updateRevision:7:s collisionCount:9:i32?
 conditions:10:[]StatefulSetCondition@type+type availableReplicas:11:i32!
DaemonSetSpec selector:1:LabelSelector? template:2:core.PodTemplateSpec*
 updateStrategy:3:DaemonSetUpdateStrategy minReadySeconds:4:i32 revisionHistoryLimit:6:i32?
DaemonSetStatus currentNumberScheduled:1:i32! numberMisscheduled:2:i32! desiredNumberScheduled:3:i32!
 numberReady:4:i32! observedGeneration:5:i64 updatedNumberScheduled:6:i32 numberAvailable:7:i32
 numberUnavailable:8:i32 collisionCount:9:i32? conditions:10:[]DaemonSetCondition@type+type
DeploymentStrategy type:1:s rollingUpdate:2:RollingUpdateDeployment?
DeploymentCondition type:1:s! status:2:s! lastUpdateTime:6:time lastTransitionTime:7:time reason:4:s message:5:s
ReplicaSetCondition type:1:s! status:2:s! lastTransitionTime:3:time reason:4:s message:5:s
StatefulSetUpdateStrategy type:1:s rollingUpdate:2:RollingUpdateStatefulSetStrategy?
StatefulSetPersistentVolumeClaimRetentionPolicy whenDeleted:1:s whenScaled:2:s
StatefulSetOrdinals start:1:i32!
StatefulSetCondition type:1:s! status:2:s! lastTransitionTime:3:time reason:4:s message:5:s
DaemonSetUpdateStrategy type:1:s rollingUpdate:2:RollingUpdateDaemonSet?
DaemonSetCondition type:1:s! status:2:s! lastTransitionTime:3:time reason:4:s message:5:s
RollingUpdateDeployment maxUnavailable:1:ios? maxSurge:2:ios?
RollingUpdateStatefulSetStrategy partition:1:i32? maxUnavailable:2:ios?
RollingUpdateDaemonSet maxUnavailable:1:ios? maxSurge:2:ios?
@batch
Job metadata:1:ObjectMeta spec:2:JobSpec status:3:JobStatus
CronJob metadata:1:ObjectMeta spec:2:CronJobSpec status:3:CronJobStatus
JobSpec parallelism:1:i32? completions:2:i32? activeDeadlineSeconds:3:i64? podFailurePolicy:11:PodFailurePolicy?
 successPolicy:16:SuccessPolicy? backoffLimit:7:i32? backoffLimitPerIndex:12:i32? maxFailedIndexes:13:i32?
 selector:4:LabelSelector? manualSelector:5:b? template:6:core.PodTemplateSpec* ttlSecondsAfterFinished:8:i32?
 completionMode:9:s? suspend:10:b? podReplacementPolicy:14:s? managedBy:15:s?
JobStatus conditions:1:[]JobCondition@type% startTime:2:time? completionTime:3:time? active:4:i32
 succeeded:5:i32 failed:6:i32 terminating:11:i32? completedIndexes:7:s failedIndexes:10:s?
 uncountedTerminatedPods:8:UncountedTerminatedPods? ready:9:i32?
CronJobSpec schedule:1:s* timeZone:8:s? startingDeadlineSeconds:2:i64? concurrencyPolicy:3:s suspend:4:b?
 jobTemplate:5:JobTemplateSpec* successfulJobsHistoryLimit:6:i32? failedJobsHistoryLimit:7:i32?
CronJobStatus active:1:[]core.ObjectReference% lastScheduleTime:4:time? lastSuccessfulTime:5:time?
PodFailurePolicy rules:1:[]PodFailurePolicyRule!%
SuccessPolicy rules:1:[]SuccessPolicyRule!%
JobCondition type:1:s! status:2:s! lastProbeTime:3:time lastTransitionTime:4:time reason:5:s message:6:s
UncountedTerminatedPods succeeded:1:[]s# failed:2:[]s#
JobTemplateSpec metadata:1:ObjectMeta spec:2:JobSpec
PodFailurePolicyRule action:1:s* onExitCodes:2:PodFailurePolicyOnExitCodesRequirement?
 onPodConditions:3:[]PodFailurePolicyOnPodConditionsPattern%
SuccessPolicyRule succeededIndexes:1:s? succeededCount:2:i32?
PodFailurePolicyOnExitCodesRequirement containerName:1:s? operator:2:s* values:3:[]i32!#
PodFailurePolicyOnPodConditionsPattern type:1:s* status:2:s*
@autoscaling
Scale metadata:1:ObjectMeta spec:2:ScaleSpec status:3:ScaleStatus
ScaleSpec replicas:1:i32
ScaleStatus replicas:1:i32! selector:2:s
@policy
Eviction metadata:1:ObjectMeta deleteOptions:2:DeleteOptions?
PodDisruptionBudget metadata:1:ObjectMeta spec:2:PodDisruptionBudgetSpec status:3:PodDisruptionBudgetStatus
PodDisruptionBudgetSpec minAvailable:1:ios? selector:2:LabelSelector?= maxUnavailable:3:ios?
 unhealthyPodEvictionPolicy:4:s?
PodDisruptionBudgetStatus observedGeneration:1:i64 disruptedPods:2:{}time disruptionsAllowed:3:i32!
 currentHealthy:4:i32! desiredHealthy:5:i32! expectedPods:6:i32! conditions:7:[]Condition@type+type
`;
