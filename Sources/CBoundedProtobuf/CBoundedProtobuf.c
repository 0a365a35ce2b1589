#include "CBoundedProtobuf.h"
