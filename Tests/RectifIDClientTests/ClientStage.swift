import BrokerTestSupport
import RectifIDClient

/// A pool of its own on a broker, and somebody at its other end who says what the test wants.
struct ClientStage: Sendable {
    let kind: BrokerKind
    let pool: Pool
    private let node = InMemoryNode()

    /// Plays a scenario, and removes what it left on the broker.
    static func play(
        _ kind: BrokerKind, maximumLength: Int = 1000, _ scenario: (ClientStage, Responder) async throws -> Void
    ) async throws {
        let stage = ClientStage(kind: kind, pool: try Pool(Pool.randomName(), maximumLength: maximumLength))
        let broker = try await stage.connect()
        try await broker.declare(stage.pool.topology)
        try await attempt {
            try await scenario(stage, Responder(pool: stage.pool, broker: broker))
        } cleanup: {
            try await broker.remove(stage.pool.topology)
            await broker.close()
        }
    }

    private init(kind: BrokerKind, pool: Pool) {
        self.kind = kind
        self.pool = pool
    }

    /// A new connection.
    func connect() async throws -> any Broker {
        switch kind {
        case .inMemory: InMemoryBroker(node: node)
        case .rabbitMQ: try await RealBroker.connect()
        }
    }

    /// A client on a connection of its own, which is closed with it by ``Client/close()``.
    func client(_ configuration: ClientConfiguration = ClientConfiguration()) async throws -> PersonalizationClient {
        try await PersonalizationClient.connect(to: try await connect(), pool: pool, configuration: configuration)
    }

    /// A sound request.
    static let request = PersonalizeRequest(
        references: [Reference(picture: .image([0xFF, 0xD8, 0xFF]))], prompt: "on the beach")
}

/// Plays the workers: takes requests and sends what it is told to.
struct Responder: Sendable {
    let pool: Pool
    let broker: any Broker

    /// The next request of a lane.
    func next(in lane: Lane = .interactive) async throws -> Delivery {
        while true {
            if let delivery = try await broker.get(queue: pool.workQueue(lane)) {
                try await broker.acknowledge(delivery)
                return delivery
            }
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    /// Sends an event, as a worker does.
    func reply(_ body: PersonalizeEvent.Body, number: UInt64, to request: Delivery) async throws {
        let id = request.properties.messageID ?? ""
        let event = PersonalizeEvent(jobID: id, sequence: number, body: body)
        try await reply(event.encode(), type: PersonalizeEvent.typeName, to: request)
    }

    func reply(_ body: [UInt8], type: String, to request: Delivery) async throws {
        let properties = MessageProperties(
            contentType: Wire.contentType, type: type, messageID: request.properties.messageID,
            correlationID: request.properties.correlationID)
        try await broker.publish(
            OutgoingMessage(properties, body: body), exchange: "", routingKey: request.properties.replyTo ?? "")
    }

    /// Subscribes as workers do to what all of them are asked.
    func questions() async throws -> Consumer {
        let queue = try await broker.declareReplyQueue(.exclusive())
        try await broker.declare(
            Topology(
                bindings: [pool.controlExchange, pool.cancelExchange].map {
                    Binding(exchange: $0, queue: queue, routingKey: "")
                }))
        return try await broker.consume(queue: queue, prefetch: 8)
    }
}

extension PersonalizeEvent.Body {
    static func accepted(by worker: String) -> Self {
        .accepted(PersonalizeAccepted(workerID: worker, attempt: 1, iterations: 4, modelID: "demo", seed: 7))
    }

    static func progress(_ iteration: Int, loss: Float = 50) -> Self {
        .progress(PersonalizeProgress(iteration: iteration, iterations: 4, loss: loss, similarity: 0.5))
    }

    static func picture(_ content: ResultPicture.Content = .image([1, 2, 3])) -> Self {
        .result(
            PersonalizeResult(
                status: .ok, picture: ResultPicture(content: content, format: .jpeg, width: 64, height: 32),
                workerID: "w", attempt: 1))
    }

    static func failure(_ status: Status) -> Self {
        .result(PersonalizeResult(status: status, workerID: "w", attempt: 1))
    }
}
