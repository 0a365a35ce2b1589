import BrokerTestSupport
import Testing

@testable import Broker

/// Channels of the consuming connection, without a broker at its other end.
struct ChannelTests {
    private static func role() throws -> ConsumeRole {
        let role = ConsumeRole(configuration: try RabbitMQConfiguration(url: "amqp://nowhere/"), logger: .tests)
        role.connected(payloadLimit: 1000)
        return role
    }

    private static func subscribe(_ role: ConsumeRole) throws -> Subscription {
        let request = SubscribeRequest(
            id: 1, queue: "queue", prefetch: 1, tag: "tag", buffer: DeliveryBuffer(), deadline: .now + .seconds(60),
            call: Call())
        role.isRecovered = true
        role.handle(.subscribe(request))
        return try #require(role.subscriptions[1])
    }

    @Test func `A connection that ends takes its channels with it, and who used them`() throws {
        weak var line: GetLine?
        weak var subscription: Subscription?
        weak var channel: Channel?
        do {
            let role = try Self.role()
            role.handle(.get(queue: "queue", GetRequest(deadline: .now + .seconds(60), call: Call())))
            line = role.getLines["queue"]
            subscription = try Self.subscribe(role)
            channel = subscription?.channel
            #expect(line?.channel != nil && channel != nil && line?.channel !== channel)
            role.shutDown()
        }
        #expect(line == nil && subscription == nil && channel == nil)
    }

    @Test func `A subscription that is given up before it stands goes with its channel`() throws {
        let role = try Self.role()
        weak var subscription: Subscription?
        var number: UInt16 = 0
        do {
            let made = try Self.subscribe(role)
            subscription = made
            number = try #require(made.channel?.number)
        }
        role.handle(.unsubscribe(1, Call()))
        // The broker has heard of the channel, so that it must be closed before its number can be used again.
        #expect(role.channels[number]?.isClosing == true)
        try role.received(.method(.channelOpened), on: number)
        try role.received(.method(.channelCloseConfirmed), on: number)
        #expect(role.channels[number] == nil && subscription == nil)
    }
}
