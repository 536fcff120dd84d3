/** Storage and priority classes, CSI objects, leases, events.k8s.io, endpoint slices, admission webhooks, CRDs and API services; see `messages.ts` for the notation. */
export const extensionsMessages = `
@storage
StorageClass metadata:1:ObjectMeta provisioner:2:s* parameters:3:{}s reclaimPolicy:4:s? mountOptions:5:[]s%
 allowVolumeExpansion:6:b? volumeBindingMode:7:s? allowedTopologies:8:[]core.TopologySelectorTerm%
CSIDriver metadata:1:ObjectMeta spec:2:CSIDriverSpec*
CSINode metadata:1:ObjectMeta spec:2:CSINodeSpec*
VolumeAttachment metadata:1:ObjectMeta spec:2:VolumeAttachmentSpec* status:3:VolumeAttachmentStatus
CSIDriverSpec attachRequired:1:b? podInfoOnMount:2:b? volumeLifecycleModes:3:[]s# storageCapacity:4:b?
 fsGroupPolicy:5:s? tokenRequests:6:[]TokenRequest% requiresRepublish:7:b? seLinuxMount:8:b?
CSINodeSpec drivers:1:[]CSINodeDriver!@name+name
VolumeAttachmentSpec attacher:1:s* source:2:VolumeAttachmentSource* nodeName:3:s*
VolumeAttachmentStatus attached:1:b! attachmentMetadata:2:{}s attachError:3:VolumeError?
 detachError:4:VolumeError?
TokenRequest audience:1:s* expirationSeconds:2:i64?
CSINodeDriver name:1:s* nodeID:2:s* topologyKeys:3:[]s!% allocatable:4:VolumeNodeResources?
VolumeAttachmentSource persistentVolumeName:1:s? inlineVolumeSpec:2:core.PersistentVolumeSpec?
VolumeError time:1:time message:2:s
VolumeNodeResources count:1:i32?
@scheduling
PriorityClass metadata:1:ObjectMeta value:2:i32* globalDefault:3:b description:4:s preemptionPolicy:5:s?
@coordination
Lease metadata:1:ObjectMeta spec:2:LeaseSpec
LeaseSpec holderIdentity:1:s? leaseDurationSeconds:2:i32? acquireTime:3:micro? renewTime:4:micro?
 leaseTransitions:5:i32? strategy:6:s? preferredHolder:7:s?
@events
Event metadata:1:ObjectMeta! eventTime:2:micro! series:3:EventSeries? reportingController:4:s
 reportingInstance:5:s action:6:s reason:7:s regarding:8:core.ObjectReference related:9:core.ObjectReference?
 note:10:s type:11:s deprecatedSource:12:core.EventSource deprecatedFirstTimestamp:13:time
 deprecatedLastTimestamp:14:time deprecatedCount:15:i32
EventSeries count:1:i32* lastObservedTime:2:micro!
@discovery
EndpointSlice metadata:1:ObjectMeta addressType:4:s* endpoints:2:[]Endpoint!% ports:3:[]EndpointPort!%
Endpoint addresses:1:[]s!# conditions:2:EndpointConditions hostname:3:s? targetRef:4:core.ObjectReference?
 deprecatedTopology:5:{}s nodeName:6:s? zone:7:s? hints:8:EndpointHints?
EndpointPort% name:1:s? protocol:2:s? port:3:i32? appProtocol:4:s?
EndpointConditions ready:1:b? serving:2:b? terminating:3:b?
EndpointHints forZones:1:[]ForZone%
ForZone name:1:s*
@admissionregistration
ValidatingWebhookConfiguration metadata:1:ObjectMeta webhooks:2:[]ValidatingWebhook@name+name
MutatingWebhookConfiguration metadata:1:ObjectMeta webhooks:2:[]MutatingWebhook@name+name
ValidatingWebhook name:1:s* clientConfig:2:WebhookClientConfig* rules:3:[]RuleWithOperations% failurePolicy:4:s?
 matchPolicy:9:s? namespaceSelector:5:LabelSelector? objectSelector:10:LabelSelector? sideEffects:6:s?
 timeoutSeconds:7:i32? admissionReviewVersions:8:[]s!% matchConditions:11:[]MatchCondition@name+name
MutatingWebhook name:1:s* clientConfig:2:WebhookClientConfig* rules:3:[]RuleWithOperations% failurePolicy:4:s?
 matchPolicy:9:s? namespaceSelector:5:LabelSelector? objectSelector:11:LabelSelector? sideEffects:6:s?
 timeoutSeconds:7:i32? admissionReviewVersions:8:[]s!% reinvocationPolicy:10:s?
 matchConditions:12:[]MatchCondition@name+name
WebhookClientConfig url:3:s? service:1:ServiceReference? caBundle:2:bytes
RuleWithOperations operations:1:[]s% ~:2:Rule
Rule apiGroups:1:[]s% apiVersions:2:[]s% resources:3:[]s% scope:4:s?
MatchCondition name:1:s* expression:2:s*
ServiceReference namespace:1:s* name:2:s* path:3:s? port:4:i32?
@apiextensions
CustomResourceDefinition metadata:1:ObjectMeta spec:2:CustomResourceDefinitionSpec*
 status:3:CustomResourceDefinitionStatus
CustomResourceDefinitionSpec group:1:s* names:3:CustomResourceDefinitionNames* scope:4:s*
 versions:7:[]CustomResourceDefinitionVersion!% conversion:9:CustomResourceConversion?
 preserveUnknownFields:10:b
CustomResourceDefinitionStatus conditions:1:[]CustomResourceDefinitionCondition!+type
 acceptedNames:2:CustomResourceDefinitionNames! storedVersions:3:[]s!%
CustomResourceDefinitionNames plural:1:s* singular:2:s shortNames:3:[]s% kind:4:s* listKind:5:s
 categories:6:[]s%
CustomResourceDefinitionVersion name:1:s* served:2:b! storage:3:b! deprecated:7:b deprecationWarning:8:s?
 schema:4:CustomResourceValidation? subresources:5:CustomResourceSubresources?
 additionalPrinterColumns:6:[]CustomResourceColumnDefinition% selectableFields:9:[]SelectableField%
CustomResourceConversion strategy:1:s* webhook:2:WebhookConversion?
CustomResourceDefinitionCondition type:1:s! status:2:s! lastTransitionTime:3:time reason:4:s message:5:s
CustomResourceValidation openAPIV3Schema:1:jsonschema?
CustomResourceSubresources status:1:CustomResourceSubresourceStatus? scale:2:CustomResourceSubresourceScale?
CustomResourceColumnDefinition name:1:s* type:2:s* format:3:s description:4:s priority:5:i32 jsonPath:6:s*
SelectableField jsonPath:1:s*
WebhookConversion clientConfig:2:WebhookClientConfig? conversionReviewVersions:3:[]s!%
CustomResourceSubresourceStatus
CustomResourceSubresourceScale specReplicasPath:1:s* statusReplicasPath:2:s* labelSelectorPath:3:s?
WebhookClientConfig url:3:s? service:1:ServiceReference? caBundle:2:bytes
ServiceReference namespace:1:s* name:2:s* path:3:s? port:4:i32?
@apiregistration
APIService metadata:1:ObjectMeta spec:2:APIServiceSpec status:3:APIServiceStatus
APIServiceSpec service:1:ServiceReference? group:2:s version:3:s insecureSkipTLSVerify:4:b caBundle:5:bytes%
 groupPriorityMinimum:7:i32* versionPriority:8:i32*
APIServiceStatus conditions:1:[]APIServiceCondition@type+type
ServiceReference namespace:1:s name:2:s port:3:i32?
APIServiceCondition type:1:s! status:2:s! lastTransitionTime:3:time reason:4:s message:5:s
`;
