// A client speaks the contract over a broker: requests, events and status codes are `Messages`' types, connections and
// reply queues `Broker`'s, stores for large pictures `ObjectStores`'. All are exported, so that `import RectifIDClient` is all that a service needs, also with
// MemberImportVisibility, under which type aliases alone would leave the types without their members (SE-0444).
@_exported public import Broker
@_exported public import Messages
@_exported public import ObjectStores
