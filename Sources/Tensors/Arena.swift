import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The memory of tensors: one range of addresses, cut first fit, whose freed parts stay in memory for the next request.
///
/// A pass of the sampler asks for the same gigabytes as the one before. Giving them back to the system between the two
/// costs a fifth of the time: every page comes back zeroed, one fault at a time. Kept by exact size they would not fit the
/// way back, whose sizes are others than the way there's; neighbours that are free grow together here. What lies free
/// between what is in use is a tenth of it or more all the same: where there is a limit, that goes back to the system.
final class Arena: Sendable {
    static let shared = Arena(reserving: Arena.physicalMemory)

    /// Extents are whole multiples; requests well below are left to `malloc`.
    private static let unit = 1 << 16

    private struct Extent {
        var start, units: Int
        /// How many of the units are in memory at most.
        var resident: Int
        var end: Int { start + units }
    }

    private struct Map {
        /// Sorted by address; no two are neighbours, and all lie below `top`.
        var free: [Extent] = []
        /// Units from here on were never in use.
        var top = 0
        let capacity: Int
        /// Units in use, and units in memory that are not.
        var inUse = 0
        var idle = 0
        /// Bytes that may be in memory, tensors and what is idle.
        var limit = Int.max
        /// Bytes, those outside of the range and of mapped files included.
        var used = 0
        /// The most in use since each peak's beginning.
        var peaks: [(watcher: ObjectIdentifier, most: Int)] = []

        mutating func count(_ bytes: Int) {
            used += bytes
            for index in peaks.indices where used > peaks[index].most { peaks[index].most = used }
        }

        /// The lowest place of `units`, so that what lives long gathers at the bottom.
        mutating func take(_ units: Int) -> Int? {
            guard let index = free.firstIndex(where: { $0.units >= units }) else { return grow(units) }
            let start = free[index].start
            let resident = free[index].resident, rest = free[index].units - units
            if rest == 0 {
                free.remove(at: index)
            } else {
                free[index] = Extent(start: start + units, units: rest, resident: min(resident, rest))
            }
            idle -= resident - min(resident, rest)
            inUse += units
            return start
        }

        /// A place at the top, the last free extent included where it reaches there.
        private mutating func grow(_ units: Int) -> Int? {
            let last = free.last.flatMap { $0.end == top ? $0 : nil }
            let start = last?.start ?? top
            guard units <= capacity - start else { return nil }
            if let last {
                free.removeLast()
                idle -= last.resident
            }
            top = start + units
            inUse += units
            return start
        }

        mutating func give(_ start: Int, _ units: Int) {
            inUse -= units
            idle += units
            var extent = Extent(start: start, units: units, resident: units)
            var (low, high) = (0, free.count)
            while low < high {
                let middle = (low + high) / 2
                if free[middle].start < start { low = middle + 1 } else { high = middle }
            }
            if low < free.count, free[low].start == extent.end {
                extent.units += free[low].units
                extent.resident += free[low].resident
                free.remove(at: low)
            }
            if low > 0, free[low - 1].end == start {
                free[low - 1].units += extent.units
                free[low - 1].resident += extent.resident
            } else {
                free.insert(extent, at: low)
            }
        }
    }

    /// Address of the range; 0 where the system gave none.
    private let base: UInt
    private let bytes: Int
    private let map: Mutex<Map>

    /// - Parameter bytes: Addresses to reserve, not memory; fewer where the system gives no more.
    init(reserving bytes: Int) {
        var bytes = bytes / Arena.largePage * Arena.largePage
        var found: UInt = 0
        while found == 0, bytes >= 1 << 28 {
            found = Arena.reserve(bytes)
            if found == 0 { bytes = bytes / 2 / Arena.largePage * Arena.largePage }
        }
        (base, self.bytes) = (found, found == 0 ? 0 : bytes)
        map = Mutex(Map(capacity: self.bytes / Arena.unit))
    }

    /// Memory of at least `count` bytes, aligned to 64, with whatever it held before; nil where there is none.
    func take(_ count: Int) -> UnsafeMutableRawPointer? {
        let start = map.withLock { map in
            map.count(count)
            let start = count >= Arena.unit / 2 ? map.take(Arena.units(count)) : nil
            release(&map, beyond: map.limit)
            return start
        }
        if let start { return UnsafeMutableRawPointer(bitPattern: base + UInt(start * Arena.unit)) }
        var memory: UnsafeMutableRawPointer?
        if posix_memalign(&memory, 64, max(64, count)) == 0 { return memory }
        map.withLock { $0.count(-count) }
        return nil
    }

    /// Takes back what `take` gave for the same count.
    func give(_ buffer: UnsafeMutableRawPointer, _ count: Int) {
        let address = UInt(bitPattern: buffer)
        let isWithin = base > 0 && address >= base && address < base + UInt(bytes)
        map.withLock { map in
            map.count(-count)
            if isWithin {
                map.give(Int(address - base) / Arena.unit, Arena.units(count))
            }
        }
        if !isWithin { free(buffer) }
    }

    /// Gives the memory of what is free back to the system: for the end of a job, since the next may be smaller or far
    /// away.
    func trim() { map.withLock { release(&$0, beyond: 0) } }

    /// Keeps what is free in memory only as far as all of it stays below so many bytes.
    func limit(to bytes: Int) {
        map.withLock { map in
            map.limit = bytes
            release(&map, beyond: map.limit)
        }
    }

    /// Gives free memory back, of the largest extents first, while more than so many bytes are in memory.
    private func release(_ map: inout Map, beyond bytes: Int) {
        while map.idle > 0, map.used + map.idle * Arena.unit > bytes {
            guard let index = map.free.indices.max(by: { map.free[$0].resident < map.free[$1].resident }) else {
                return
            }
            let extent = map.free[index]
            let part = Arena.part(of: extent, enough: map.used + map.idle * Arena.unit - bytes)
            if let start = UnsafeMutableRawPointer(bitPattern: base + UInt(part.lowerBound * Arena.unit)) {
                madvise(start, part.count * Arena.unit, MADV_DONTNEED)
            }
            let given = part.count < extent.units ? part.count : extent.resident
            map.free[index].resident -= given
            map.idle -= given
        }
    }

    /// What to give back of an extent so that it is enough: large pages near its end where all of it is in memory, since
    /// the next request takes its beginning and every page that went away comes back slowly; else all.
    private static func part(of extent: Extent, enough bytes: Int) -> Range<Int> {
        let page = largePage / unit
        let end = extent.end / page * page
        let start = (end - units(bytes)) / page * page
        return extent.resident == extent.units && start > extent.start ? start..<end : extent.start..<extent.end
    }

    /// Counts memory of others as in use, a mapped file's for instance: without it in memory nothing is fast.
    func lend(_ bytes: Int) { map.withLock { $0.count(bytes) } }

    /// Bytes in use.
    var used: Int { map.withLock { $0.used } }

    /// The most bytes in use from now on, for as long as somebody watches.
    func beginPeak(_ watcher: ObjectIdentifier) { map.withLock { $0.peaks.append((watcher, $0.used)) } }

    func peak(_ watcher: ObjectIdentifier) -> Int {
        map.withLock { map in map.peaks.first { $0.watcher == watcher }?.most ?? map.used }
    }

    func endPeak(_ watcher: ObjectIdentifier) { map.withLock { $0.peaks.removeAll { $0.watcher == watcher } } }

    /// Bytes of the range in memory, at most.
    var resident: Int { map.withLock { ($0.inUse + $0.idle) * Arena.unit } }

    /// Extents that are free; one where nothing is in use.
    var freeExtents: Int { map.withLock { $0.free.count } }

    private static func units(_ count: Int) -> Int { (count + unit - 1) / unit }

    private static let largePage = 1 << 21

    private static var physicalMemory: Int {
        max(1 << 30, sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)))
    }

    private static func reserve(_ bytes: Int) -> UInt {
        // More than asked for, so that a large page can begin where the range does.
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let mapped = mmap(nil, bytes + largePage, PROT_READ | PROT_WRITE, flags, -1, 0), mapped != MAP_FAILED
        else { return 0 }
        let start = (UInt(bitPattern: mapped) + UInt(largePage) - 1) / UInt(largePage) * UInt(largePage)
        #if os(Linux)
            // A wish: with pages of 4 KiB a picture's faults take longer than many an operation on it.
            madvise(UnsafeMutableRawPointer(bitPattern: start), bytes, MADV_HUGEPAGE)
        #endif
        return start
    }
}
