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
/// way back, whose sizes are others than the way there's; neighbours that are free grow together here, so that the
/// peak stays close to the most that was ever in use.
final class Arena: Sendable {
    static let shared = Arena(reserving: Arena.physicalMemory)

    /// Extents are whole multiples; requests well below are left to `malloc`.
    private static let unit = 1 << 16

    private struct Extent {
        var start, units: Int
        var end: Int { start + units }
    }

    private struct Map {
        /// Sorted by address; no two are neighbours.
        var free: [Extent]
        /// Bytes, those outside of the range and of mapped files included.
        var used = 0
        var mostUsed = 0

        mutating func count(_ bytes: Int) {
            used += bytes
            mostUsed = max(mostUsed, used)
        }

        /// The lowest place of `units`, so that what lives long gathers at the bottom.
        mutating func take(_ units: Int) -> Int? {
            guard let index = free.firstIndex(where: { $0.units >= units }) else { return nil }
            let start = free[index].start
            if free[index].units == units {
                free.remove(at: index)
            } else {
                free[index].start += units
                free[index].units -= units
            }
            return start
        }

        mutating func give(_ extent: Extent) {
            var (low, high) = (0, free.count)
            while low < high {
                let middle = (low + high) / 2
                if free[middle].start < extent.start { low = middle + 1 } else { high = middle }
            }
            let joinsNext = low < free.count && free[low].start == extent.end
            if low > 0, free[low - 1].end == extent.start {
                free[low - 1].units += extent.units + (joinsNext ? free[low].units : 0)
                if joinsNext { free.remove(at: low) }
            } else if joinsNext {
                free[low].start = extent.start
                free[low].units += extent.units
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
        map = Mutex(Map(free: found == 0 ? [] : [Extent(start: 0, units: bytes / Arena.unit)]))
    }

    /// Memory of at least `count` bytes, aligned to 64, with whatever it held before; nil where there is none.
    func take(_ count: Int) -> UnsafeMutableRawPointer? {
        let start = map.withLock { map in
            map.count(count)
            return count >= Arena.unit / 2 ? map.take(Arena.units(count)) : nil
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
                map.give(Extent(start: Int(address - base) / Arena.unit, units: Arena.units(count)))
            }
        }
        if !isWithin { free(buffer) }
    }

    /// Gives the memory of what is free back to the system: for the end of a job, since the next may be smaller or far
    /// away.
    func trim() {
        map.withLock { map in
            for extent in map.free {
                guard let start = UnsafeMutableRawPointer(bitPattern: base + UInt(extent.start * Arena.unit)) else {
                    continue
                }
                madvise(start, extent.units * Arena.unit, MADV_DONTNEED)
            }
        }
    }

    /// Counts memory of others as in use, a mapped file's for instance: without it in memory nothing is fast.
    func lend(_ bytes: Int) { map.withLock { $0.count(bytes) } }

    /// Bytes in use.
    var used: Int { map.withLock { $0.used } }

    /// The most bytes in use since ``forgetPeak()``.
    var mostUsed: Int { map.withLock { $0.mostUsed } }

    func forgetPeak() { map.withLock { $0.mostUsed = $0.used } }

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
